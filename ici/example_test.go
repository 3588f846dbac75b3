package ici_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"

	"github.com/connects-go/connects/ici"
)

// The calls of an agent's desktop and their answers.
func ExampleServer() {
	sent := make(chan struct{})
	handler := ici.HandlerFunc(func(_ context.Context, r *ici.Request) (ici.Value, error) {
		switch r.Op {
		case ici.OpUserGetAttributes:
			return &ici.User{UserID: r.User, CurrentWorkmode: r.Profile.Element(ici.WorkmodeReady, "Ready")}, nil
		case ici.OpUserSetCurrentWorkmode:
			if r.Profile.CodeOf(ici.EnumWorkmode, r.Text(ici.ParamWorkmodeID)) == ici.CodeUnknown {
				return nil, &ici.Fault{Code: ici.FaultWorkmodeInvalid}
			}
			r.After(func() {
				fmt.Println("now the event userChanged is sent")
				close(sent)
			})
			return ici.Text(""), nil
		}
		return nil, &ici.Fault{Code: ici.FaultNotSupported}
	})
	server, err := ici.NewServer(handler, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	// In a product: server.HTTPServer().Serve(listener).
	srv := httptest.NewServer(server)
	defer srv.Close()

	// The role of SAP, with the same package.
	sap := ici.Default()
	send := func(op ici.Op, args ...ici.Arg) (ici.Element, error) {
		body := sap.AppendRequest(nil, ici.Header{User: "MEIER", Language: "EN"}, op, args...)
		resp, err := srv.Client().Post(srv.URL, "text/xml; charset=utf-8", strings.NewReader(string(body)))
		if err != nil {
			return ici.Element{}, err
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			return ici.Element{}, err
		}
		return sap.ParseResponse(answer, resp.Header.Get("Content-Type"), nil)
	}
	result, err := send(ici.OpUserGetAttributes, ici.Arg{Param: ici.ParamUserID, Value: ici.Text("MEIER")})
	var user ici.User
	user.DecodeICI(result)
	fmt.Println(user.UserID, user.CurrentWorkmode.Description, err)

	_, err = send(ici.OpUserSetCurrentWorkmode, ici.Arg{Param: ici.ParamWorkmodeID, Value: ici.Text("77")})
	fmt.Println(err, errors.Is(err, &ici.Fault{Code: ici.FaultWorkmodeInvalid}))
	_, err = send(ici.OpPhoneCallAccept)
	fmt.Println(err)
	if _, err = send(ici.OpUserSetCurrentWorkmode, ici.Arg{Param: ici.ParamWorkmodeID, Value: ici.Text("2")}); err == nil {
		<-sent
	}
	// Output:
	// MEIER Ready <nil>
	// ici: fault workmodeInvalid: Work mode is not valid or not allowed now true
	// ici: fault notSupported: Function is not supported
	// now the event userChanged is sent
}

// A system whose names differ.
func ExampleProfile_Override() {
	site, err := ici.Default().Override("site.txt", `
op    IciUser.setCurrentWorkcenter = logonToWorkcenter
param workcenterId = workcenter
code  Workmode.2 = READY
`)
	fmt.Println(site.OpName(ici.OpUserSetCurrentWorkcenter), site.ParamName(ici.ParamWorkcenterID), site.Code(ici.WorkmodeReady), err)

	_, err = ici.Default().Override("site.txt", "op IciUser.setCurrentWorkmodus = x\nmember PhoneCall.remoteNumber = y")
	fmt.Println(err)
	// Output:
	// logonToWorkcenter workcenter READY <nil>
	// site.txt:1: service IciUser has no operation "setCurrentWorkmodus"; did you mean "setCurrentWorkmode"?
	// site.txt:2: type PhoneCall has no member "remoteNumber"; did you mean "remoteNumbers"?
}

// An event as it goes to SAP.
func ExampleProfile_AppendRequest() {
	p := ici.Default()
	event := p.AppendRequestStyle(nil, ici.Literal, ici.Header{}, ici.OpEventPhoneCallChanged,
		ici.Arg{Param: ici.ParamAppIDs, Value: ici.Texts{"0A1B"}},
		ici.Arg{Param: ici.ParamPhoneCall, Value: &ici.PhoneCall{
			ID: p.ItemPrefix(ici.ServicePhoneCall) + "815", ProcessingStatus: p.Element(ici.PhoneCallStatusOffered, "Incoming call"),
			RemoteNumbers: []string{"+41315551234"}, Direction: p.Code(ici.CallDirectionIn),
		}})
	_, body, _ := strings.Cut(string(event), "<SOAP-ENV:Body>")
	fmt.Println(strings.ReplaceAll(body, "><", ">\n<"))
	// Output:
	// <m:phoneCallChanged xmlns:m="urn:IciEventInterface">
	// <appIds>
	// <item>0A1B</item>
	// </appIds>
	// <phoneCall>
	// <id>call-815</id>
	// <processingStatus>
	// <id>1</id>
	// <description>Incoming call</description>
	// </processingStatus>
	// <remoteNumbers>
	// <item>+41315551234</item>
	// </remoteNumbers>
	// <direction>IN</direction>
	// </phoneCall>
	// </m:phoneCallChanged>
	// </SOAP-ENV:Body>
	// </SOAP-ENV:Envelope>
}

// Rows that are written once and handed out many times.
func ExampleRows() {
	p := ici.Default()
	index := ici.Rows{
		p.EncodeRow(&ici.PresenceInfo{UserID: "MEIER", Name: "Jürg Meier"}),
		p.EncodeRow(&ici.PresenceInfo{UserID: "ROSSI", Name: "Anna Rossi"}),
	}
	r, err := p.ParseRequest(call("urn:IciUserInterface", "getPresence", "<searchTerm>*</searchTerm>"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	answer := p.AppendResponse(nil, r, index)
	result, err := p.ParseResponse(answer, "", nil)
	var list ici.PresenceInfoList
	list.DecodeICI(result)
	fmt.Println(len(list), list[1].Name, err)
	// Output: 2 Anna Rossi <nil>
}
