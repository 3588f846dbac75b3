package ici_test

import (
	"context"
	"fmt"
	"time"

	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/ici/icitest"
)

func ExampleNotifier() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	sap, err := icitest.New(nil) // plays SAP CRM; listens on a loopback port
	if err != nil {
		panic(err)
	}
	defer sap.Close()
	session, err := sap.Open(icitest.UserSpec{User: "MEIER", Language: "DE"})
	if err != nil {
		panic(err)
	}

	n, err := ici.NewNotifier(&ici.NotifierOptions{
		Systems: []ici.EventSystem{{Name: "CRM", AllowHosts: []string{"127.0.0.1"}}},
		Gone:    func(s ici.Subscription, err error) { fmt.Println(s.User, "is gone:", err) },
	})
	if err != nil {
		panic(err)
	}
	// URL and application id come with a subscribe request of SAP.
	sub := ici.Subscription{System: "CRM", AppURL: session.URL, AppID: session.AppID, User: "MEIER", Language: "DE"}
	if err := n.Subscribe(sub); err != nil {
		panic(err)
	}
	p := ici.Default()
	call := &ici.PhoneCall{ID: "call-1", PhoneCallID: "call-1", RemoteNumbers: []string{"+41315550100"}}
	for _, state := range []ici.TextElement{p.Element(ici.PhoneCallStatusOffered, "Anruf"), p.Element(ici.PhoneCallStatusConnected, "Verbunden")} {
		call.ProcessingStatus = state
		err := n.Notify(sub.Key(), ici.Event{
			Op: ici.OpEventPhoneCallChanged, Item: call.ID, Params: []ici.EventParam{{Param: ici.ParamPhoneCall, Value: call}},
		})
		if err != nil {
			panic(err)
		}
	}
	if err := n.Shutdown(ctx); err != nil { // delivers what waits
		panic(err)
	}
	shown, _ := session.Call("call-1")
	fmt.Println(shown.ProcessingStatus.Description, shown.RemoteNumbers, len(sap.Violations()))
	// Output: Verbunden [+41315550100] 0
}
