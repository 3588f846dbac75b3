package cti_test

import (
	"context"
	"io"
	"testing"
	"time"

	"golang.org/x/text/encoding/charmap"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/internal/testnet"
)

// FuzzSessionInput sends bytes of a server to a client that is open. Whatever they are: no
// panic, the handler gets only events, and the client ends when the connection does.
func FuzzSessionInput(f *testing.F) {
	f.Add([]byte(nil), uint8(25))
	f.Add(textFYI(1), uint8(25))
	f.Add(append(textFYI(1), 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1), uint8(13))
	f.Add(frame(failureEvent, uint32(15)), uint8(20))
	f.Add(frame(failureEvent, uint32(90)), uint8(24))
	f.Add(append(frame(maintenanceReq, uint32(1)), frame(maintenanceEvent, uint16(1))...), uint8(24))
	f.Add(append(frame(failureConf, uint32(2), uint32(3)), frame(controlFailureConf, uint32(2), uint16(3), uint32(0))...), uint8(23))
	f.Add(append(openConfV25(1), frame(closeConf, uint32(1))...), uint8(25))
	f.Add(frame(agentStateEvent, make([]byte, 80)), uint8(25))
	f.Add(append(frame(233, uint16(1), uint32(4)), append(frame(237, uint16(0)), frame(234, uint32(0))...)...), uint8(22))
	f.Fuzz(func(t *testing.T, b []byte, version uint8) {
		v := cti.MinVersion + cti.Version(version)%(cti.MaxVersion-cti.MinVersion+1)
		near, far := testnet.Pipe()
		done := make(chan struct{})
		c, err := cti.NewClient(near, &cti.Options{
			Versions: []cti.Version{v}, HeartbeatInterval: -1, Charset: charmap.Windows1252, QueueLimit: 100,
			CloseTimeout: 10 * time.Millisecond, RequestTimeout: time.Second,
			Handler: cti.HandlerFunc(func(_ context.Context, e cti.Event) {
				if e == nil {
					t.Error("nil event")
				}
				if m, ok := e.(cti.Message); ok {
					_ = cti.Text(m)
				}
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer close(done)
			p := &peerConn{Conn: far, t: t}
			_, body, ok := p.next()
			if !ok {
				return
			}
			answer := openConfV25(id(body))
			switch {
			case v < 19: // without DepartmentID and SessionType
				answer = frame(openConf, answer[8:8+26])
			case v < 24: // without SessionType
				answer = frame(openConf, answer[8:8+30])
			}
			far.Write(answer)
			far.Write(b)
			go io.Copy(io.Discard, far)
		}()
		if _, err := c.Open(t.Context()); err != nil {
			// The bytes ended the connection as soon as it was open.
			far.Close()
			<-done
			c.Close()
			return
		}
		<-done
		req := make(chan struct{})
		go func() {
			defer close(req)
			c.AnswerCall(context.Background(), &cti.AnswerCallReq{})
		}()
		far.Close()
		<-c.Done()
		<-req
		c.Close()
	})
}
