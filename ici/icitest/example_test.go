package icitest_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"time"

	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/ici/icitest"
)

// A connector that is tested against the simulated SAP: it lets everybody in and offers each agent who becomes ready one
// call.
func Example() {
	notifier, err := ici.NewNotifier(nil) // without a list of hosts events go to this machine only
	if err != nil {
		panic(err)
	}
	defer notifier.Close()
	p := ici.Default()
	var sub ici.Subscription
	server, err := ici.NewServer(ici.HandlerFunc(func(_ context.Context, r *ici.Request) (ici.Value, error) {
		user := &ici.User{UserID: r.User, CurrentWorkmode: p.Element(ici.WorkmodeReady, "Bereit")}
		call := &ici.PhoneCall{
			ID: "call-1", PhoneCallID: "call-1", RemoteNumbers: []string{"+41315550100"},
			ProcessingStatus: p.Element(ici.PhoneCallStatusOffered, "Anruf"),
			CapabilityList:   []ici.TextElement{p.Element(ici.CapabilityAccept, "Annehmen")},
		}
		switch r.Op {
		case ici.OpSystemExchangeProductInformation:
			return &ici.ProductInformation{Product: "example"}, nil
		case ici.OpSystemGetWorkcenterCapability:
			return &ici.WorkcenterCapability{FreeSeating: true}, nil
		case ici.OpUserGetAttributes, ici.OpUserSetCurrentWorkcenter:
			return user, nil
		case ici.OpUserSubscribe:
			sub = ici.Subscription{AppURL: r.Text(ici.ParamAppURL), AppID: r.Text(ici.ParamAppID), User: r.User, Language: r.Language}
			return nil, notifier.Subscribe(sub)
		case ici.OpUserSetCurrentWorkmode:
			r.After(func() { // events follow the answer
				_ = notifier.Notify(sub.Key(), ici.Event{Op: ici.OpEventUserChanged, Item: r.User, Params: []ici.EventParam{{Param: ici.ParamUser, Value: user}}})
				_ = notifier.Notify(sub.Key(), ici.Event{Op: ici.OpEventPhoneCallChanged, Item: call.ID, Params: []ici.EventParam{{Param: ici.ParamPhoneCall, Value: call}}})
			})
		}
		return nil, nil
	}), nil)
	if err != nil {
		panic(err)
	}
	web := httptest.NewServer(server)
	defer web.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	sap, err := icitest.New(&icitest.Config{Connector: web.URL})
	if err != nil {
		panic(err)
	}
	defer sap.Close()
	meier, err := sap.Logon(ctx, icitest.UserSpec{User: "MEIER", Language: "DE", Workcenter: "1001;pw1001;2001", Ready: true})
	if err != nil {
		panic(err)
	}
	call, err := meier.WaitCall(ctx, "", ici.PhoneCallStatusOffered)
	if err != nil {
		panic(err)
	}
	fmt.Println(call.RemoteNumbers, call.ProcessingStatus.Description, meier.Toolbar(call.ID))
	fmt.Println(meier.HoldCall(ctx, call.ID))
	fmt.Println(len(sap.Violations()), "violations")
	// Output:
	// [+41315550100] Anruf [accept]
	// icitest: MEIER: item "call-1" has no button hold, only: accept
	// 0 violations
}
