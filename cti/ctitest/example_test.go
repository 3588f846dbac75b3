package ctitest_test

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/cti/ctitest"
)

// A customer's call finds an agent, without any client.
func Example() {
	pg := ctitest.New(ctitest.DefaultConfig(2))
	defer pg.Close()

	pg.LoginAgent("1001", "")
	pg.SetAgentState("1001", cti.AgentStateAvailable, 0)
	id, err := pg.CustomerCall(context.Background(), ctitest.CallSpec{From: "+41315550100", To: "5001",
		Variables: map[string]string{"CV01": "4711"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	pg.PhoneAnswer("2001", id)

	call, _ := pg.Call(id)
	agent, _ := pg.Agent("1001")
	fmt.Println(call.State, call.Variables["CV01"])
	fmt.Println(agent.FirstName, agent.LastName, agent.State)
	// Output:
	// ANSWERED 4711
	// Zoë Müller TALKING
}

// A client of side A that speaks the protocol by itself.
func ExampleSide_Start() {
	pg := ctitest.New(ctitest.DefaultConfig(1))
	defer pg.Close()
	if err := pg.Side(ctitest.A).Start(); err != nil {
		fmt.Println(err)
		return
	}
	conn, err := net.Dial("tcp", pg.Side(ctitest.A).Addr())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	open, _ := cti.AppendMessage(nil, &cti.OpenReq{InvokeID: 1, VersionNumber: 24, IdleTimeout: 120, PeripheralID: 0xffffffff,
		ServicesRequested: cti.CTIServiceMaskAllEvents, CallMsgMask: 0xffffffff, ClientID: "example"}, 24)
	conn.Write(open)
	r := cti.NewFrameReader(conn, 24)
	for range 2 {
		m, err := r.ReadMessage()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(m.Type())
	}
	// Output:
	// OPEN_CONF
	// SYSTEM_EVENT
}

// The next two answers of the gateway go wrong, then it behaves again.
func ExamplePG_Control() {
	pg := ctitest.New(ctitest.DefaultConfig(1))
	defer pg.Close()

	pg.Control(cti.TypeSetAgentStateReq, func(c *ctitest.Call) ctitest.Action {
		return c.ControlFail(cti.ControlFailureCodeSpecifiedAgentAlreadySignedOn, 0)
	})
	pg.Control(cti.TypeAnswerCallReq, func(c *ctitest.Call) ctitest.Action {
		return c.Delay(5 * time.Second)
	})
	pg.Control(cti.TypeAgentStateEvent, func(c *ctitest.Call) ctitest.Action {
		if c.Message.(*cti.AgentStateEvent).AgentID != "1001" {
			return c.Skip() // wait for the one that is meant
		}
		return c.Drop().Keep() // and drop all of them
	})
}
