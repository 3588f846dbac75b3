package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/connects-go/connects"
	"github.com/connects-go/connects/outboundcsv/sapphone/cpic"
	"github.com/connects-go/connects/outboundcsv/sapphone/nwrfc"
)

// gateway adds the transport that registers at an SAP gateway.
func (f *file) gateway(c *connects.OutboundConfig, logger *slog.Logger) error {
	g := f.Gateway
	if g.Address == "" {
		if g != (gatewaySection{}) {
			return errors.New("address: is needed: host and port of the gateway")
		}
		return nil
	}
	switch g.Transport {
	case "", "cpic":
		return f.cpic(c, logger)
	case "nwrfc":
		return f.nwrfc(c, logger)
	}
	return fmt.Errorf("transport: %q is neither cpic nor nwrfc", g.Transport)
}

// others says that keys of the other transport are set: they would do nothing.
func others(transport string, keys map[string]bool) error {
	var errs []error
	for key, set := range keys {
		if set {
			errs = append(errs, fmt.Errorf("%s: not for transport %s", key, transport))
		}
	}
	return errors.Join(errs...)
}

func (f *file) cpic(c *connects.OutboundConfig, logger *slog.Logger) error {
	g := f.Gateway
	errs := []error{others("cpic", map[string]bool{"registrations": g.Registrations != 0, "router": g.Router != "", "trace": g.Trace != 0,
		"call_timeout": g.CallTimeout != 0, "snc_partner_name": g.SNCPartnerName != "", "snc_name": g.SNCName != "", "snc_quality": g.SNCQuality != 0, "snc_library": g.SNCLibrary != ""})}
	if !g.Experimental {
		errs = append(errs, errors.New("this transport has never seen a real gateway; set experimental = true to use it"))
	}
	strategy, ok := map[string]cpic.Strategy{"": cpic.Auto, "auto": cpic.Auto, "accept": cpic.Accept, "reregister": cpic.Reregister, "reconnect": cpic.Reconnect}[g.Strategy]
	if !ok {
		errs = append(errs, fmt.Errorf("strategy: %q is none of auto, accept, reregister, reconnect", g.Strategy))
	}
	s, err := cpic.New(&cpic.Options{Gateway: g.Address, Program: g.Program, Host: g.Host, Strategy: strategy, Definitions: c.Definitions, SpillDir: os.TempDir(), Logger: logger})
	c.Transports = append(c.Transports, s)
	return errors.Join(append(errs, err)...)
}

func (f *file) nwrfc(c *connects.OutboundConfig, logger *slog.Logger) error {
	g := f.Gateway
	bad := others("nwrfc", map[string]bool{"experimental": g.Experimental, "host": g.Host != "", "strategy": g.Strategy != ""})
	o := &nwrfc.Options{Gateway: g.Address, Program: g.Program, Definitions: c.Definitions, Registrations: g.Registrations, Router: g.Router, Trace: g.Trace,
		Recorder: c.Recorder, CallTimeout: g.CallTimeout.Value(), Logger: logger}
	if g.SNCPartnerName != "" || g.SNCName != "" || g.SNCQuality != 0 || g.SNCLibrary != "" {
		o.SNC = &nwrfc.SNC{Library: g.SNCLibrary, Name: g.SNCName, PartnerName: g.SNCPartnerName, Quality: g.SNCQuality}
	}
	s, err := nwrfc.New(o)
	c.Transports = append(c.Transports, s)
	return errors.Join(bad, err)
}
