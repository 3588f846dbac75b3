//go:build nwrfc && nwrfcstub && cgo

package nwrfc_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/outboundcsv/sapphone"
	"github.com/connects-go/connects/outboundcsv/sapphone/nwrfc"
	"github.com/connects-go/connects/outboundcsv/sapphone/nwrfc/stubtest"
)

const program = "connects.OB1"

// big is the byte order of this machine, which is that of the SDK.
var big = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// chars is text of n characters as ABAP has it.
func chars(s string, n int) []byte {
	b := sapphone.EncodeUTF16(s, big)
	for len(b) < 2*n {
		b = append(b, sapphone.EncodeUTF16(" ", big)...)
	}
	return b
}

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

// definitions are Z_PING, which answers with its text and rows, and Z_NOW without anything.
func definitions(t *testing.T) *sapphone.Definitions {
	t.Helper()
	d, err := sapphone.ParseDefinitions(strings.NewReader(`{
		"types":{"Z_ROW":{"fields":[{"name":"A","abapType":"CHAR","length":2},{"name":"N","abapType":"NUMC","length":4},{"name":"I","abapType":"INT4"}]}},
		"functions":{"Z_PING":{
			"import":[{"name":"TEXT","abapType":"CHAR","length":4},{"name":"FLAG","abapType":"NUMC","length":1,"optional":true}],
			"export":[{"name":"ECHO","abapType":"CHAR","length":4}],
			"tables":[{"name":"ROWS","type":"Z_ROW"}],
			"exceptions":["NOT_READY"]},"Z_NOW":{}},
		"mapping":{"Z_PING":{"operation":"ping"},"Z_NOW":{"operation":"ping"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// fresh empties the library, and looks at the end whether everything was given back.
func fresh(t *testing.T) {
	t.Helper()
	stubtest.Reset()
	stubtest.Second(5 * time.Millisecond)
	t.Cleanup(func() {
		if diff := cmp.Diff(stubtest.Live{}, stubtest.Alive()); diff != "" {
			t.Errorf("handles are left (-want +got):\n%s", diff)
		}
		if p := stubtest.Problems(); len(p) > 0 {
			t.Errorf("against the API: %v", p)
		}
	})
}

// start runs a server; stop ends it and waits.
func start(t *testing.T, change func(*nwrfc.Options), h sapphone.Handler) (s *nwrfc.Server, stop func()) {
	t.Helper()
	o := &nwrfc.Options{Gateway: "gw:sapgw00", Program: program, Definitions: definitions(t)}
	if change != nil {
		change(o)
	}
	s, err := nwrfc.New(o)
	if err != nil {
		t.Fatal(err)
	}
	nwrfc.SetRetry(s, 2*time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, h) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Serve: %v", err)
		}
		if l := s.Link(); l.State != sapphone.Down || l.Err != nil {
			t.Errorf("after the end: %+v", l)
		}
	})
	t.Cleanup(stop)
	return s, stop
}

// echo answers Z_PING with its text and rows.
func echo(_ context.Context, c *sapphone.Call) (*sapphone.Result, error) {
	text := c.In["TEXT"].Text
	switch text {
	case "busy":
		return nil, &sapphone.ABAPException{Key: "NOT_READY", Text: "later"}
	case "fail":
		return nil, errors.New("the disk is full: ÄÖ€😀")
	case "wide":
		return nil, errors.New(strings.Repeat("x", 510) + "😀") // a text has room for half of it
	case "boom":
		panic("in the handler")
	case "long":
		return &sapphone.Result{Out: map[string]string{"ECHO": "too long"}}, nil
	}
	res := &sapphone.Result{Out: map[string]string{"ECHO": text}, Tables: map[string][]map[string]string{"ROWS": {}}}
	for r, err := range c.Tables["ROWS"].Rows {
		if err != nil {
			return nil, err
		}
		res.Tables["ROWS"] = append(res.Tables["ROWS"], r.Fields)
	}
	return res, nil
}

// row is a row of Z_ROW: 12 bytes of characters and a number.
func row(a, n string, i int32) []byte {
	return join(chars(a, 2), chars(n, 4), binary.NativeEndian.AppendUint32(nil, uint32(i)))
}

func ping(t *testing.T, text string, rows ...[]byte) *stubtest.Call {
	t.Helper()
	c := stubtest.NewCall(program, "Z_PING")
	t.Cleanup(c.Free)
	c.Import("TEXT", chars(text, 4))
	for _, r := range rows {
		c.Row("ROWS", r)
	}
	return c
}

const within = 20 * time.Second

// eventually waits for something that another thread does.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(within)
	for !ok() {
		select {
		case <-deadline:
			t.Fatal("waited in vain until " + what)
		case <-time.After(time.Millisecond):
		}
	}
}

func TestCallsInARow(t *testing.T) {
	fresh(t)
	s, _ := start(t, nil, echo)
	for i := range 3 {
		rows := [][]byte{row("DE", "0001", -1), row("ÄB", "0042", 1<<30), row("", "0000", 0)}
		c := ping(t, fmt.Sprint("no", i), rows...)
		if err := c.Run(within); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(chars(fmt.Sprint("no", i), 4), c.Export("ECHO")); diff != "" {
			t.Errorf("echo (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(rows, c.Rows("ROWS")); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	}
	if l := s.Link(); l.Calls != 3 || l.LastCall.IsZero() || l.Detail != program+" at gw:sapgw00" {
		t.Errorf("%+v", l)
	}
	if n := stubtest.Registrations(); n != 1 {
		t.Errorf("%d registrations, want one that stays", n)
	}
}

// What the handler sees is what package cpic and HTTP show it.
func TestWhatTheHandlerSees(t *testing.T) {
	fresh(t)
	calls := make(chan *sapphone.Call, 2)
	start(t, nil, func(_ context.Context, c *sapphone.Call) (*sapphone.Result, error) {
		calls <- c
		return nil, nil
	})
	for _, flag := range []string{"", "7"} {
		c := ping(t, "a  ")
		if flag != "" {
			c.Import("FLAG", chars(flag, 1))
		}
		if err := c.Run(within); err != nil {
			t.Fatal(err)
		}
		want := map[string]sapphone.Value{"TEXT": {Text: "a"}}
		if flag != "" {
			want["FLAG"] = sapphone.Value{Text: flag}
		}
		got := <-calls
		if diff := cmp.Diff(want, got.In); diff != "" {
			t.Errorf("parameters (-want +got):\n%s", diff)
		}
		who := sapphone.Caller{System: "A4H", Client: "001", User: "DEVELOPER", Program: "SAPLSPHT", Host: "sapapp1"}
		if diff := cmp.Diff(who, got.Caller); diff != "" || got.Func != "Z_PING" || got.Wanted != nil {
			t.Errorf("%s %v (-want +got):\n%s", got.Func, got.Wanted, diff)
		}
	}
}

func TestLargeTable(t *testing.T) {
	const n = 10000
	fresh(t)
	sums := make(chan [3]int, 1)
	start(t, nil, func(_ context.Context, c *sapphone.Call) (*sapphone.Result, error) {
		var s [3]int
		for range 2 { // rows can be read any number of times
			i := 0
			for r, err := range c.Tables["ROWS"].Rows {
				want := map[string]string{"A": fmt.Sprint(i % 100), "N": fmt.Sprintf("%04d", i), "I": fmt.Sprint(-i)}
				if err != nil || !cmp.Equal(want, r.Fields) {
					return nil, fmt.Errorf("row %d: %v %v", i, r.Fields, err)
				}
				i++
			}
			s[0], s[1], s[2] = c.Tables["ROWS"].Len, i, s[2]+i
		}
		sums <- s
		return nil, nil
	})
	c := ping(t, "many")
	for i := range n {
		c.Row("ROWS", row(fmt.Sprint(i%100), fmt.Sprintf("%04d", i), int32(-i)))
	}
	if err := c.Run(within); err != nil {
		t.Fatal(err)
	}
	if got := <-sums; got != [3]int{n, n, 2 * n} {
		t.Errorf("%v", got)
	}
	if got := len(c.Rows("ROWS")); got != n {
		t.Errorf("%d rows come back, want the %d that were not touched", got, n)
	}
}

func TestWhatABAPSees(t *testing.T) {
	fresh(t)
	s, _ := start(t, nil, echo)
	for i, tt := range []struct {
		text string
		want error
		regs int
	}{
		{"busy", &stubtest.Exception{Key: "NOT_READY", Text: "later"}, 1},
		{"fail", &stubtest.Failure{Text: "the disk is full: ÄÖ€😀"}, 2},
		{"boom", &stubtest.Failure{Text: "the call failed; the log of the connector has more"}, 3},
		{"long", &stubtest.Failure{Text: "sapphone: Z_PING ECHO: longer than its type"}, 4},
		{"wide", &stubtest.Failure{Text: strings.Repeat("x", 510)}, 5},
		{"next", nil, 5},
	} {
		err := ping(t, tt.text).Run(within)
		if diff := cmp.Diff(tt.want, err); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.text, diff)
		}
		// The SDK closes the connection after a failure: another one has to follow at once.
		eventually(t, fmt.Sprintf("%s: it registers for the %d. time", tt.text, tt.regs), func() bool { return stubtest.Registrations() == tt.regs })
		if l := s.Link(); l.Calls != int64(i+1) || l.Err != nil {
			t.Errorf("%s: %+v", tt.text, l)
		}
	}
}

func TestUnknownFunction(t *testing.T) {
	fresh(t)
	rec := &sapphone.Recorder{Dir: t.TempDir()}
	s, _ := start(t, func(o *nwrfc.Options) { o.Recorder = rec }, echo)
	c := stubtest.NewCall(program, "SPS_X")
	t.Cleanup(c.Free)
	var f *stubtest.Failure
	if err := c.Run(within); !errors.As(err, &f) {
		t.Errorf("%v", err)
	}
	if err := ping(t, "next").Run(within); err != nil {
		t.Error(err)
	}
	if l := s.Link(); l.Calls != 2 {
		t.Errorf("%+v", l)
	}
	got := recordings(t, rec.Dir)
	if len(got) != 1 || got[0].Function != "SPS_X" || got[0].System != "A4H" {
		t.Fatalf("recorded: %+v", got)
	}
	if diff := cmp.Diff([]string{"SPS_X: not defined"}, definitions(t).Check(got...)); diff != "" {
		t.Errorf("check (-want +got):\n%s", diff)
	}
}

func TestRefused(t *testing.T) {
	fresh(t)
	stubtest.Refuse("\nLOCATION    SAP-Gateway on host gw / sapgw00\nERROR       registration of tp connects.OB1 from host ob1 not allowed\n")
	s, _ := start(t, nil, echo)
	eventually(t, "the refusal shows", func() bool { return s.Link().Err != nil })
	var e *nwrfc.Error
	err := s.Link().Err
	if !errors.Is(err, nwrfc.ErrRefused) || !errors.As(err, &e) || e.Key != "RFC_COMMUNICATION_FAILURE" ||
		e.Message != "LOCATION SAP-Gateway on host gw / sapgw00 ERROR registration of tp connects.OB1 from host ob1 not allowed" {
		t.Errorf("%v", err)
	}
	stubtest.Slow(20 * time.Millisecond)
	eventually(t, "it tries again", func() bool { return s.Link().State == sapphone.Registering })
	if l := s.Link(); l.Err == nil {
		t.Errorf("%+v: the reason has to stay while it tries again", l)
	}
	stubtest.Refuse("")
	if err := ping(t, "a").Run(within); err != nil {
		t.Error(err)
	}
	eventually(t, "it is registered", func() bool { l := s.Link(); return l.State == sapphone.Registered && l.Err == nil })
}

func TestConnectionLost(t *testing.T) {
	fresh(t)
	s, _ := start(t, nil, echo)
	eventually(t, "it is registered", func() bool { return s.Link().State == sapphone.Registered })
	stubtest.Refuse("the gateway is down")
	stubtest.Cut()
	eventually(t, "the loss shows", func() bool { l := s.Link(); return l.State < sapphone.Registered && l.Err != nil })
	if err := ping(t, "a").Run(time.Millisecond); !errors.Is(err, stubtest.ErrNobody) {
		t.Error(err)
	}
	stubtest.Refuse("")
	if err := ping(t, "b").Run(within); err != nil {
		t.Error(err)
	}
	eventually(t, "it is registered", func() bool { l := s.Link(); return l.State == sapphone.Registered && l.Err == nil })
}

// A connection that is lost within a call: its handler has run, the next call is served.
func TestConnectionLostInCall(t *testing.T) {
	fresh(t)
	start(t, nil, func(ctx context.Context, c *sapphone.Call) (*sapphone.Result, error) {
		if c.In["TEXT"].Text == "cut" {
			stubtest.Cut()
		}
		return echo(ctx, c)
	})
	if err := ping(t, "cut").Run(within); !errors.Is(err, stubtest.ErrLost) {
		t.Error(err)
	}
	if err := ping(t, "next").Run(within); err != nil {
		t.Error(err)
	}
}

func TestSeveralRegistrations(t *testing.T) {
	const n = 4
	fresh(t)
	var inside atomic.Int32
	all := make(chan struct{})
	s, _ := start(t, func(o *nwrfc.Options) { o.Registrations = n }, func(ctx context.Context, c *sapphone.Call) (*sapphone.Result, error) {
		if inside.Add(1) == n {
			close(all)
		}
		<-all // every registration has a call
		return echo(ctx, c)
	})
	eventually(t, "all are registered", func() bool { return strings.HasSuffix(s.Link().Detail, "4 of 4 registrations") })
	var wg sync.WaitGroup
	for i := range n {
		c := ping(t, fmt.Sprint("c", i), row(fmt.Sprint("r", i), "0001", int32(i)))
		wg.Go(func() {
			if err := c.Run(within); err != nil {
				t.Error(err)
				return
			}
			if diff := cmp.Diff([][]byte{chars(fmt.Sprint("c", i), 4), row(fmt.Sprint("r", i), "0001", int32(i))}, append([][]byte{c.Export("ECHO")}, c.Rows("ROWS")...)); diff != "" {
				t.Errorf("call %d (-want +got):\n%s", i, diff)
			}
		})
	}
	wg.Wait()
	if l := s.Link(); l.Calls != n || l.Err != nil {
		t.Errorf("%+v", l)
	}
}

func TestGatewayPermitsFewerRegistrations(t *testing.T) {
	fresh(t)
	stubtest.Limit(2)
	s, _ := start(t, func(o *nwrfc.Options) { o.Registrations = 3 }, echo)
	eventually(t, "two are registered, and one is refused", func() bool {
		l := s.Link()
		return l.State == sapphone.Registered && errors.Is(l.Err, nwrfc.ErrRefused) && strings.HasPrefix(l.Err.Error(), "1 of 3 registrations: ") &&
			strings.HasSuffix(l.Detail, "2 of 3 registrations")
	})
	if err := ping(t, "a").Run(within); err != nil {
		t.Error(err)
	}
}

// The end of Serve waits for the call under way, which is answered.
func TestShutdownInCall(t *testing.T) {
	fresh(t)
	entered, finish := make(chan struct{}), make(chan struct{})
	s, stop := start(t, func(o *nwrfc.Options) { o.Grace = time.Hour }, func(ctx context.Context, c *sapphone.Call) (*sapphone.Result, error) {
		close(entered)
		select {
		case <-finish:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		return echo(ctx, c)
	})
	c := ping(t, "last")
	answer := make(chan error, 1)
	go func() { answer <- c.Run(within) }()
	<-entered
	if l := s.Link(); l.State != sapphone.InCall {
		t.Errorf("%+v", l)
	}
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	select {
	case <-stopped:
		t.Error("Serve ended before the call")
	case err := <-answer:
		t.Errorf("the call ended: %v", err)
	case <-time.After(100 * time.Millisecond): // 20 seconds of the API
	}
	close(finish)
	if err := <-answer; err != nil || string(c.Export("ECHO")) != string(chars("last", 4)) {
		t.Errorf("%v %q", err, c.Export("ECHO"))
	}
	<-stopped
	if err := ping(t, "more").Run(time.Millisecond); !errors.Is(err, stubtest.ErrNobody) {
		t.Errorf("after the end: %v", err)
	}
}

func TestContextOfACallEnds(t *testing.T) {
	for name, change := range map[string]func(*nwrfc.Options){
		"time of the call": func(o *nwrfc.Options) { o.CallTimeout = time.Millisecond },
		"grace":            func(o *nwrfc.Options) { o.Grace = time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			fresh(t)
			entered := make(chan struct{})
			_, stop := start(t, change, func(ctx context.Context, c *sapphone.Call) (*sapphone.Result, error) {
				close(entered)
				<-ctx.Done()
				return nil, ctx.Err()
			})
			c := ping(t, "a")
			answer := make(chan error, 1)
			go func() { answer <- c.Run(within) }()
			<-entered
			if name == "grace" {
				stop()
			}
			var f *stubtest.Failure
			if err := <-answer; !errors.As(err, &f) || !strings.HasPrefix(f.Text, "context ") {
				t.Errorf("%v", err)
			}
		})
	}
}

// Rows are those of the SDK: after the call there is nothing to read any more.
func TestRowsAfterTheCall(t *testing.T) {
	fresh(t)
	kept := make(chan sapphone.Table, 1)
	start(t, nil, func(_ context.Context, c *sapphone.Call) (*sapphone.Result, error) {
		kept <- c.Tables["ROWS"]
		return nil, nil
	})
	if err := ping(t, "a", row("DE", "0001", 1)).Run(within); err != nil {
		t.Fatal(err)
	}
	for _, err := range (<-kept).Rows {
		if err == nil || !strings.Contains(err.Error(), "over") {
			t.Errorf("%v", err)
		}
	}
}

// Two servers in one program keep their functions apart, although the SDK has one callback.
func TestTwoServers(t *testing.T) {
	fresh(t)
	other, err := sapphone.ParseDefinitions(strings.NewReader(`{"functions":{"Z_OTHER":{"export":[{"name":"ECHO","abapType":"CHAR","length":4}]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	start(t, nil, echo)
	start(t, func(o *nwrfc.Options) { o.Program, o.Definitions = "connects.OB2", other }, func(context.Context, *sapphone.Call) (*sapphone.Result, error) {
		return &sapphone.Result{Out: map[string]string{"ECHO": "two"}}, nil
	})
	for _, tt := range []struct {
		program, function string
		known             bool
	}{{program, "Z_NOW", false}, {"connects.OB2", "Z_OTHER", true}, {program, "Z_OTHER", false}, {"connects.OB2", "Z_PING", false}} {
		c := stubtest.NewCall(tt.program, tt.function)
		t.Cleanup(c.Free)
		if err := c.Run(within); (err == nil) != tt.known {
			t.Errorf("%s at %s: %v", tt.function, tt.program, err)
		}
	}
}

func TestParameters(t *testing.T) {
	fresh(t)
	start(t, func(o *nwrfc.Options) {
		o.Router, o.Trace = "/H/router/S/3299", 2
		o.SNC = &nwrfc.SNC{Library: "/opt/libsapcrypto.so", Name: "p:CN=OB1", PartnerName: "p:CN=A4H"}
	}, echo)
	if err := ping(t, "a").Run(within); err != nil {
		t.Fatal(err)
	}
	want := []string{"program_id=connects.OB1", "gwhost=gw", "gwserv=sapgw00", "trace=2", "saprouter=/H/router/S/3299",
		"snc_mode=1", "snc_qop=3", "snc_partnername=p:CN=A4H", "snc_myname=p:CN=OB1", "snc_lib=/opt/libsapcrypto.so"}
	if diff := cmp.Diff(want, stubtest.Parameters()); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
}
