package cpic_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/internal/testnet"
	"github.com/connects-go/connects/outboundcsv/sapphone"
	"github.com/connects-go/connects/outboundcsv/sapphone/cpic"
	"github.com/connects-go/connects/outboundcsv/sapphone/gatewaytest"
)

const program = "connects.OB1"

// start runs a gateway and a server that is registered there.
func start(t *testing.T, go_ *gatewaytest.Options, change func(*cpic.Options), h sapphone.Handler) (*gatewaytest.Gateway, *cpic.Server) {
	t.Helper()
	n := testnet.New()
	ln, err := n.Listen("gw:3300")
	if err != nil {
		t.Fatal(err)
	}
	gw := gatewaytest.New(go_)
	go gw.Serve(ln)
	o := &cpic.Options{Gateway: "gw:3300", Program: program, Host: "host", Definitions: pingDefinitions(t), SpillDir: t.TempDir(), Dial: n.DialContext}
	if change != nil {
		change(o)
	}
	s, err := cpic.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(ctx, h) }()
	t.Cleanup(func() {
		cancel()
		<-done
		gw.Close()
		if p := gw.Problems(); p != nil {
			t.Errorf("against the protocol: %v", p)
		}
	})
	return gw, s
}

// echo answers Z_PING with its text and rows.
func echo(_ context.Context, c *sapphone.Call) (*sapphone.Result, error) {
	if c.Func != "Z_PING" {
		return nil, fmt.Errorf("%w: %s", sapphone.ErrUnknownFunction, c.Func)
	}
	text := sapphone.DecodeUTF16(c.In["TEXT"].Raw, c.Big)
	if text == "busy" {
		return nil, &sapphone.ABAPException{Key: "NOT_READY"}
	}
	res := &sapphone.Result{Out: map[string]string{"ECHO": text}, Tables: map[string][]map[string]string{"ROWS": {}}}
	for r, err := range c.Tables["ROWS"].Rows {
		if err != nil {
			return nil, err
		}
		s := sapphone.DecodeUTF16(r.Raw, c.Big)
		s += strings.Repeat(" ", 6-len([]rune(s)))
		u := []rune(s)
		res.Tables["ROWS"] = append(res.Tables["ROWS"], map[string]string{"A": string(u[:2]), "N": strings.TrimSpace(string(u[2:]))})
	}
	return res, nil
}

func ping(text string, rows ...string) *gatewaytest.Call {
	c := &gatewaytest.Call{Func: "Z_PING", Wanted: []string{"ECHO", "ROWS"}, Import: []gatewaytest.Param{{Name: "TEXT", Value: gatewaytest.Chars(text, 4)}}}
	tab := gatewaytest.Table{Name: "ROWS", Width: 12}
	for _, r := range rows {
		tab.Rows = append(tab.Rows, gatewaytest.Chars(r, 6))
	}
	c.Tables = []gatewaytest.Table{tab}
	return c
}

func TestCallsInARow(t *testing.T) {
	for name, tt := range map[string]struct {
		gw       gatewaytest.Options
		strategy cpic.Strategy
		change   func(*gatewaytest.Call)
		regs     int
	}{
		"strategy A":                        {regs: 1},
		"strategy B":                        {gw: gatewaytest.Options{WantD0: true}, strategy: cpic.Reregister, regs: 4},
		"strategy C":                        {gw: gatewaytest.Options{CloseAfter: true}, strategy: cpic.Reconnect, regs: 4},
		"A falls back to C":                 {gw: gatewaytest.Options{CloseAfter: true}, regs: 4},
		"pings":                             {gw: gatewaytest.Options{Ping: true}, regs: 1},
		"header version 3":                  {gw: gatewaytest.Options{Version3: true}, regs: 1},
		"a call over many frames":           {gw: gatewaytest.Options{FrameSize: 7}, regs: 1},
		"session mark and compressed rows":  {change: func(c *gatewaytest.Call) { c.Mark, c.Compress = true, true }, regs: 1},
		"rows without their trailing blank": {change: func(c *gatewaytest.Call) { c.TrimRows = true }, regs: 1},
	} {
		t.Run(name, func(t *testing.T) {
			gw, s := start(t, &tt.gw, func(o *cpic.Options) { o.Strategy = tt.strategy }, echo)
			for i := range 3 {
				c := ping(fmt.Sprint("no", i), "DE0001", "ÄB0042")
				if tt.change != nil {
					tt.change(c)
				}
				a, err := gw.Call(t.Context(), program, c)
				if err != nil {
					t.Fatal(err)
				}
				if got := sapphone.DecodeUTF16(a.Values["ECHO"], false); got != fmt.Sprint("no", i, " ") {
					t.Errorf("echo %q", got)
				}
				want := [][]byte{gatewaytest.Chars("DE0001", 6), gatewaytest.Chars("ÄB0042", 6)}
				if diff := cmp.Diff(want, a.Tables["ROWS"]); diff != "" {
					t.Errorf("rows (-want +got):\n%s", diff)
				}
			}
			if l := s.Link(); l.Calls != 3 || l.LastCall.IsZero() {
				t.Errorf("%+v", l)
			}
			if n := gw.Registrations(); n > tt.regs {
				t.Errorf("%d registrations, want at most %d", n, tt.regs)
			}
		})
	}
}

func TestWhatABAPSees(t *testing.T) {
	gw, _ := start(t, nil, nil, echo)
	a, err := gw.Call(t.Context(), program, ping("busy"))
	if err != nil || a.Exception != "NOT_READY" {
		t.Errorf("%+v %v", a, err)
	}
	a, err = gw.Call(t.Context(), program, &gatewaytest.Call{Func: "SPS_X"})
	if err != nil || a.Failure != "sapphone: unknown function: SPS_X" {
		t.Errorf("%+v %v", a, err)
	}
	a, err = gw.Call(t.Context(), program, &gatewaytest.Call{Raw: unhex(t, "0502 0000 0502 5001 0002 2448 5001 ffff0000ffff")})
	if err != nil || !strings.Contains(a.Failure, "Classic") && !strings.Contains(a.Failure, "classic serializer") {
		t.Errorf("%+v %v", a, err)
	}
	// The connection is new after a call that could not be read; the next one works.
	a, err = gw.Call(t.Context(), program, ping("next"))
	if err != nil || a.Values["ECHO"] == nil {
		t.Errorf("%+v %v", a, err)
	}
}

func TestACallThatIsCutIsNoCall(t *testing.T) {
	var calls atomic.Int32
	gw, _ := start(t, nil, func(o *cpic.Options) { o.Strategy = cpic.Reconnect }, func(ctx context.Context, c *sapphone.Call) (*sapphone.Result, error) {
		calls.Add(1)
		return echo(ctx, c)
	})
	c := ping("text", "DE0001", "DE0002")
	c.CutAfter = len(c.Stream()) - 3
	if _, err := gw.Call(t.Context(), program, c); !errors.Is(err, gatewaytest.ErrLost) {
		t.Fatal(err)
	}
	if _, err := gw.Call(t.Context(), program, ping("text")); err != nil {
		t.Fatal(err)
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("%d calls were handled, want only the whole one", n)
	}
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		gw   gatewaytest.Options
		want string
	}{
		{gatewaytest.Options{ReturnCode: 720}, "return code 720; look at reginfo"},
		{gatewaytest.Options{ReturnCode: 720, Version3: true}, "return code 720"},
		{gatewaytest.Options{CodePage: "1100"}, `code page "1100"`},
		{gatewaytest.Options{ErrorFrame: "*ERR*\x001\x00registration of tp not allowed\x00"}, "registration of tp not allowed"},
	} {
		gw, s := start(t, &tt.gw, nil, echo)
		deadline := time.After(10 * time.Second)
		for {
			l := s.Link()
			if l.Err != nil {
				if !errors.Is(l.Err, cpic.ErrRefused) || !strings.Contains(l.Err.Error(), tt.want) || l.State == sapphone.Registered {
					t.Errorf("%+v, want %q", l, tt.want)
				}
				break
			}
			select {
			case <-deadline:
				t.Fatalf("no error: %+v %v", l, gw.Problems())
			case <-time.After(time.Millisecond):
			}
		}
	}
}

func TestGatewayRestart(t *testing.T) {
	gw, _ := start(t, nil, nil, echo)
	if _, err := gw.Call(t.Context(), program, ping("a")); err != nil {
		t.Fatal(err)
	}
	gw.Cut()
	if _, err := gw.Call(t.Context(), program, ping("b")); err != nil && !errors.Is(err, gatewaytest.ErrLost) {
		t.Fatal(err)
	}
	if _, err := gw.Call(t.Context(), program, ping("c")); err != nil {
		t.Fatal(err)
	}
}

func TestBigEndianSystem(t *testing.T) {
	gw, _ := start(t, &gatewaytest.Options{CodePage: "4102"}, nil, echo)
	c := ping("")
	c.Import[0].Value = []byte{0, 'W', 0, 'X', 0, 'Y', 0, 'Z'}
	a, err := gw.Call(t.Context(), program, c)
	if err != nil || string(a.Values["ECHO"]) != "\x00W\x00X\x00Y\x00Z" {
		t.Errorf("%q %v", a.Values, err)
	}
}

func TestOptions(t *testing.T) {
	_, err := cpic.New(&cpic.Options{Gateway: "gw", Program: "a b", MaxFrame: -1})
	for _, want := range []string{"Gateway", "Program", "negative"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %s in %v", want, err)
		}
	}
}
