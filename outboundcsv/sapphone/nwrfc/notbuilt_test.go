//go:build !nwrfc || !cgo

package nwrfc_test

import (
	"context"
	"errors"
	"testing"

	"github.com/connects-go/connects/outboundcsv/sapphone"
	"github.com/connects-go/connects/outboundcsv/sapphone/nwrfc"
)

func TestNotBuilt(t *testing.T) {
	s, err := nwrfc.New(&nwrfc.Options{Gateway: "gw:sapgw00", Program: "connects.OB1"})
	if !errors.Is(err, nwrfc.ErrNotBuilt) || err.Error() != nwrfc.ErrNotBuilt.Error() {
		t.Errorf("New: %v, want only that the SDK is missing", err)
	}
	err = s.Serve(t.Context(), func(context.Context, *sapphone.Call) (*sapphone.Result, error) { return nil, nil })
	if !errors.Is(err, nwrfc.ErrNotBuilt) {
		t.Errorf("Serve: %v", err)
	}
	if l := s.Link(); l.State != sapphone.Down || !errors.Is(l.Err, nwrfc.ErrNotBuilt) || s.Name() != "nwrfc" {
		t.Errorf("%+v", l)
	}
}
