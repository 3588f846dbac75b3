package cti_test

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/connects-go/connects/cti"
)

// pipeServer returns clients that are connected to one server by net.Pipe.
func pipeServer(tb testing.TB, n int, h cti.Handler) ([]*cti.Client, *cti.Server) {
	tb.Helper()
	srv, err := cti.NewServer(&cti.ServerOptions{Handler: &office{}})
	if err != nil {
		tb.Fatal(err)
	}
	var clients []*cti.Client
	for range n {
		near, far := net.Pipe()
		srv.ServeConn(far)
		c, err := cti.NewClient(near, &cti.Options{Handler: h})
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := c.Open(tb.Context()); err != nil {
			tb.Fatal(err)
		}
		clients = append(clients, c)
	}
	tb.Cleanup(func() {
		for _, c := range clients {
			c.Close()
		}
		srv.Close()
		srv.Wait()
	})
	return clients, srv
}

// BenchmarkSessionRequest is one ANSWER_CALL_REQ and its confirmation, client and server in one
// process.
func BenchmarkSessionRequest(b *testing.B) {
	for _, parallel := range []int{1, 32} {
		name := "one at a time"
		if parallel > 1 {
			name = "32 at a time"
		}
		b.Run(name, func(b *testing.B) {
			clients, _ := pipeServer(b, 1, nil)
			c := clients[0]
			b.ReportAllocs()
			if parallel == 1 {
				req := &cti.AnswerCallReq{ConnectionCallID: 9, ConnectionDeviceID: "1001"}
				for b.Loop() {
					if _, err := c.AnswerCall(context.Background(), req); err != nil {
						b.Fatal(err)
					}
				}
				return
			}
			b.SetParallelism(parallel)
			b.RunParallel(func(pb *testing.PB) {
				req := &cti.AnswerCallReq{ConnectionCallID: 9, ConnectionDeviceID: "1001"}
				for pb.Next() {
					if _, err := c.AnswerCall(context.Background(), req); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkEventFanout is one AGENT_STATE_EVENT to 8 clients until the last handler has it.
func BenchmarkEventFanout(b *testing.B) {
	var got sync.WaitGroup
	h := cti.HandlerFunc(func(_ context.Context, e cti.Event) {
		if _, ok := e.(*cti.AgentStateEvent); ok {
			got.Done()
		}
	})
	_, srv := pipeServer(b, 8, h)
	ev := &cti.AgentStateEvent{PeripheralID: 5000, AgentState: cti.AgentStateAvailable, AgentID: "1001", AgentExtension: "2001"}
	b.ReportAllocs()
	for b.Loop() {
		conns := srv.Conns()
		got.Add(len(conns))
		for _, c := range conns {
			if err := c.Send(ev); err != nil {
				b.Fatal(err)
			}
		}
		got.Wait()
	}
}
