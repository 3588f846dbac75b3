package nwrfc_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/connects-go/connects/outboundcsv/sapphone/nwrfc"
)

func TestOptions(t *testing.T) {
	_, err := nwrfc.New(&nwrfc.Options{Gateway: "gw", Program: "a b", Registrations: 65, Router: "router", Trace: 4, Grace: -1, SNC: &nwrfc.SNC{Quality: 4, Name: "a\nb"}})
	for _, want := range []string{"Gateway", "Program", "Registrations", "Router", "Trace", "negative", "SNC.Quality", "SNC.PartnerName", "SNC: Name"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %s in %v", want, err)
		}
	}
	if _, err := nwrfc.New(nil); err == nil || !strings.Contains(err.Error(), "Gateway") {
		t.Errorf("%v", err)
	}
}

func TestRefusedOnlyAtRegistration(t *testing.T) {
	text := "registration of tp X from host H not allowed"
	for _, tt := range []struct {
		err  nwrfc.Error
		want bool
	}{
		{nwrfc.Error{Func: "RfcRegisterServer", Key: "RFC_COMMUNICATION_FAILURE", Message: text}, true},
		{nwrfc.Error{Func: "RfcRegisterServer", Key: "RFC_COMMUNICATION_FAILURE", Message: "hostname unknown"}, false},
		{nwrfc.Error{Func: "RfcListenAndDispatch", Message: text}, false},
	} {
		if got := errors.Is(&tt.err, nwrfc.ErrRefused); got != tt.want || strings.Contains(tt.err.Error(), "reginfo") != tt.want {
			t.Errorf("%v: refused %v, want %v", &tt.err, got, tt.want)
		}
	}
}
