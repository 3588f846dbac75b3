package nwrfc

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/connects-go/connects/outboundcsv/sapphone"
)

// Defaults and limits of [Options].
const (
	DefaultCallTimeout = 5 * time.Minute
	DefaultGrace       = 3 * time.Second
	MaxRegistrations   = 64
)

// Options configure a [Server].
type Options struct {
	Gateway     string // host:service; the service is sapgwNN or a port, 33NN with the instance number NN
	Program     string // Program ID of SM59, 1 to 64 characters without * and blanks
	Definitions *sapphone.Definitions
	// Registrations is how many calls SAP can make at a time, 1 to MaxRegistrations; 0 =
	// 1. The gateway may limit it (NO= in reginfo).
	Registrations int
	Router        string // SAProuter string such as /H/router.example.com/S/3299; empty = none
	SNC           *SNC   // nil = not encrypted
	Trace         int    // 0 to 3; from 1 on the SDK writes files, with what SAP sends, into the working directory
	// Recorder gets the names of functions that the definitions do not have; the handler
	// has a recorder for the calls of the others. nil = none.
	Recorder *sapphone.Recorder
	// CallTimeout is when the context of a call ends; 0 = DefaultCallTimeout.
	CallTimeout time.Duration
	// Grace is how long a call under way goes on after the end of Serve was asked for,
	// before its context ends too; 0 = DefaultGrace.
	Grace  time.Duration
	Logger *slog.Logger
}

// SNC secures the way to the gateway. The names have the syntax of the security library,
// such as "p:CN=OB1, O=Example, C=DE".
type SNC struct {
	Library     string // path of the security library; empty = environment variable SNC_LIB
	Name        string // own name; empty = that of the library's credentials
	PartnerName string // of the gateway
	Quality     int    // 1 authentication, 2 integrity, 3 encryption, 8 default of the other side, 9 maximum; 0 = 3
}

// New checks the options. In a program that was built without the SDK the error is, or
// has in it, ErrNotBuilt.
func New(o *Options) (*Server, error) {
	s := &Server{retry: time.Second}
	if o != nil {
		s.o = *o
	}
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("nwrfc: "+format, args...)) }
	host, service, err := net.SplitHostPort(s.o.Gateway)
	if err != nil || !value(host, 100) || !value(service, 100) {
		bad("Gateway=%q: want host:service", s.o.Gateway)
	}
	if p := s.o.Program; !value(p, 64) || strings.ContainsAny(p, "* ") {
		bad("Program=%q: 1 to 64 characters without * and blanks", p)
	}
	if s.o.Registrations < 0 || s.o.Registrations > MaxRegistrations {
		bad("Registrations=%d: want 1 to %d", s.o.Registrations, MaxRegistrations)
	}
	if r := s.o.Router; r != "" && (!value(r, 1000) || !strings.HasPrefix(r, "/H/")) {
		bad("Router=%q: want /H/host/S/service", r)
	}
	if s.o.Trace < 0 || s.o.Trace > 3 {
		bad("Trace=%d: want 0 to 3", s.o.Trace)
	}
	if s.o.CallTimeout < 0 || s.o.Grace < 0 {
		bad("CallTimeout and Grace must not be negative")
	}
	if n := s.o.SNC; n != nil {
		switch n.Quality {
		case 0, 1, 2, 3, 8, 9:
		default:
			bad("SNC.Quality=%d: want 1, 2, 3, 8 or 9", n.Quality)
		}
		if !value(n.PartnerName, 1000) {
			bad("SNC.PartnerName=%q: the gateway's name is needed", n.PartnerName)
		}
		if n.Name != "" && !value(n.Name, 1000) || n.Library != "" && !value(n.Library, 1000) {
			bad("SNC: Name and Library have at most 1000 characters")
		}
	}
	if s.o.Definitions == nil {
		s.o.Definitions = &sapphone.Definitions{}
	}
	if s.o.Registrations == 0 {
		s.o.Registrations = 1
	}
	if s.o.CallTimeout == 0 {
		s.o.CallTimeout = DefaultCallTimeout
	}
	if s.o.Grace == 0 {
		s.o.Grace = DefaultGrace
	}
	if s.o.Logger == nil {
		s.o.Logger = slog.New(slog.DiscardHandler)
	}
	s.ways = make([]way, max(s.o.Registrations, 0))
	if !built {
		errs = append(errs, ErrNotBuilt)
	}
	return s, errors.Join(errs...)
}

// value reports whether the SDK can take s, of at most n bytes, as a parameter.
func value(s string, n int) bool {
	return s != "" && len(s) <= n && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' })
}
