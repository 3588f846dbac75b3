package connects_test

import (
	"context"
	"fmt"
	"net"

	"golang.org/x/text/encoding/unicode"

	"github.com/connects-go/connects"
	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/cti/ctitest"
	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/ici/icitest"
)

// A customer's call reaches an SAP agent; both neighbours are simulated.
func ExampleCRMConnector() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	pg := ctitest.New(ctitest.DefaultConfig(2)) // agents 1001 and 1002, queue 5001
	defer pg.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err = first(err, pg.Side(ctitest.A).Start()); err != nil {
		fmt.Println(err)
		return
	}

	node := connects.NewNode(nil)
	err = node.Add("crm", connects.CRMConnector(&connects.CRMConfig{
		Listener: ln, // or Listen: ":8080"
		Links: []connects.CRMLink{{
			Name: "pg1",
			Session: cti.SessionOptions{
				A:       cti.Endpoint{Addr: pg.Side(ctitest.A).Addr()},
				Charset: unicode.UTF8, // of the simulator; real ones have a Windows code page
			},
			Peripherals: []connects.CRMPeripheral{{ID: ctitest.DefaultPeripheralID}},
		}},
	}))
	changes := node.Watch(ctx)
	if err = first(err, node.Start(ctx)); err != nil {
		fmt.Println(err)
		return
	}
	defer node.Stop(ctx)
	for c := range changes {
		if c.Phase == connects.PhaseRunning && c.Condition == connects.ConditionOK {
			fmt.Println(c.State, "until SAP calls")
			break
		}
	}

	sap, err := icitest.New(&icitest.Config{Connector: "http://" + ln.Addr().String() + "/"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sap.Close()
	meier, err := sap.Logon(ctx, icitest.UserSpec{User: "MEIER", Language: "EN", Workcenter: "1001;pw1001;2001"})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = first(meier.SetWorkmode(ctx, ici.WorkmodeReady), meier.WaitWorkmode(ctx, ici.WorkmodeReady))
	_, called := pg.CustomerCall(ctx, ctitest.CallSpec{From: "+41315550100", To: "5001"})
	call, offered := meier.WaitCall(ctx, "", ici.PhoneCallStatusOffered)
	err = first(err, called, offered, meier.AcceptCall(ctx, call.ID))
	call, connected := meier.WaitCall(ctx, call.ID, ici.PhoneCallStatusConnected)
	fmt.Println(call.RemoteNumbers, call.ProcessingStatus.Description, first(err, connected))
	fmt.Println(node.Health().State)
	// Output:
	// INACTIVE until SAP calls
	// [+41315550100] Connected <nil>
	// ACTIVE
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
