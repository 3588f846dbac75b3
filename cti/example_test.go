package cti_test

import (
	"context"
	"errors"
	"fmt"
	"net"

	"golang.org/x/text/encoding/charmap"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/cti/ctitest"
)

// simulate starts a gateway with two agents on the loopback interface.
func simulate() (pg *ctitest.PG, a, b string) {
	pg = ctitest.New(ctitest.DefaultConfig(2))
	for _, side := range []ctitest.SideID{ctitest.A, ctitest.B} {
		if err := pg.Side(side).Start(); err != nil {
			panic(err)
		}
	}
	return pg, pg.Side(ctitest.A).Addr(), pg.Side(ctitest.B).Addr()
}

// An agent logs in through a session, and the handler sees it.
func Example() {
	pg, a, b := simulate()
	defer pg.Close()
	ctx := context.Background()

	seen := make(chan *cti.AgentStateEvent, 10)
	var mux cti.Mux
	cti.Handle(&mux, func(_ context.Context, e *cti.AgentStateEvent) { seen <- e })

	s, err := cti.NewSession(&cti.SessionOptions{
		A: cti.Endpoint{Addr: a}, B: cti.Endpoint{Addr: b},
		ClientID: "example", Charset: charmap.Windows1252, Handler: &mux,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := s.Start(); err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	if err := s.WaitUp(ctx); err != nil {
		fmt.Println(err)
		return
	}

	_, err = s.SetAgentState(ctx, &cti.SetAgentStateReq{
		PeripheralID: pg.PeripheralID(), AgentState: cti.AgentStateLogin,
		AgentID: "1001", AgentInstrument: "2001", AgentPassword: "pw1001",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	e := <-seen
	fmt.Println(e.AgentID, e.AgentState)
	// Output: 1001 AGENT_STATE_NOT_READY
}

// The codes of a refusal are found with errors.Is.
func ExampleControlError() {
	pg, a, _ := simulate()
	defer pg.Close()
	ctx := context.Background()
	c, err := cti.Dial(ctx, a, &cti.Options{ClientID: "example"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	_, err = c.SetAgentState(ctx, &cti.SetAgentStateReq{
		PeripheralID: pg.PeripheralID(), AgentState: cti.AgentStateLogin,
		AgentID: "1001", AgentInstrument: "2001", AgentPassword: "wrong",
	})
	var refused *cti.ControlError
	fmt.Println(errors.As(err, &refused), refused.Request)
	// Output: true SET_AGENT_STATE_REQ
}

// A session goes on at side B when side A is gone.
func ExampleSession() {
	pg, a, b := simulate()
	defer pg.Close()

	boundary := make(chan string, 10)
	s, err := cti.NewSession(&cti.SessionOptions{
		A: cti.Endpoint{Addr: a}, B: cti.Endpoint{Addr: b}, ClientID: "example",
		Resync: func(ctx context.Context, up *cti.SessionUp) (cti.ResyncStats, error) {
			// Read agents and calls here.
			return cti.ResyncStats{}, nil
		},
		Handler: cti.HandlerFunc(func(_ context.Context, e cti.Event) {
			switch e := e.(type) {
			case *cti.SessionUp:
				boundary <- "up on side " + e.Side.String()
			case *cti.Resynced:
				boundary <- "resynced"
			case *cti.SessionDown:
				boundary <- "down"
			}
		}),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := s.Start(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-boundary)
	fmt.Println(<-boundary)
	pg.Side(ctitest.A).Stop()
	fmt.Println(<-boundary)
	fmt.Println(<-boundary)
	fmt.Println(<-boundary)
	s.Close()
	// Output:
	// up on side A
	// resynced
	// down
	// up on side B
	// resynced
}

// Many snapshots are read with an adaptive number of requests outstanding.
func ExampleWindow() {
	pg, a, _ := simulate()
	defer pg.Close()
	ctx := context.Background()
	c, err := cti.Dial(ctx, a, &cti.Options{ClientID: "example"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	agents := []string{"1001", "1002"}
	states := make([]cti.AgentState, len(agents))
	var w cti.Window
	err = w.Each(ctx, len(agents), func(ctx context.Context, i int) error {
		conf, err := c.QueryAgentState(ctx, &cti.QueryAgentStateReq{PeripheralID: pg.PeripheralID(), AgentID: agents[i]})
		if err == nil {
			states[i] = conf.AgentState
		}
		return err
	})
	fmt.Println(states, err)
	// Output: [AGENT_STATE_LOGOUT AGENT_STATE_LOGOUT] <nil>
}

// desk accepts every session and confirms that calls are answered.
type exampleDesk struct{}

func (exampleDesk) ServeOpen(_ context.Context, _ *cti.ServerConn, r *cti.OpenReq) (*cti.OpenConf, error) {
	return &cti.OpenConf{ServicesGranted: r.ServicesRequested, PeripheralOnline: true}, nil
}

func (exampleDesk) ServeRequest(_ context.Context, _ *cti.ServerConn, r cti.Request) (cti.Confirm, error) {
	switch r.(type) {
	case *cti.AnswerCallReq:
		return &cti.AnswerCallConf{}, nil
	}
	return nil, &cti.StatusError{Status: cti.StatusCodeFunctionNotAvailable}
}

// A server of one's own, for a test or a proxy.
func ExampleServer() {
	srv, err := cti.NewServer(&cti.ServerOptions{Handler: exampleDesk{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go srv.Serve(ln)
	defer srv.Close()

	c, err := cti.Dial(context.Background(), ln.Addr().String(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	_, err = c.AnswerCall(context.Background(), &cti.AnswerCallReq{ConnectionCallID: 7})
	fmt.Println(err)
	_, err = c.HoldCall(context.Background(), &cti.HoldCallReq{ConnectionCallID: 7})
	fmt.Println(err)
	// Output:
	// <nil>
	// cti: HOLD_CALL_REQ failed: E_CTI_FUNCTION_NOT_AVAILABLE
}
