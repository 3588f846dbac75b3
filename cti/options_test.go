package cti_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"

	"github.com/connects-go/connects/cti"
)

func TestSessionOptionsHaveAllOptionsOfAClient(t *testing.T) {
	var o cti.SessionOptions
	v := reflect.ValueOf(&o).Elem()
	for i := range v.NumField() {
		f := v.Field(i)
		switch f.Kind() {
		case reflect.String:
			f.SetString(v.Type().Field(i).Name)
		case reflect.Int, reflect.Int32, reflect.Int64:
			f.SetInt(int64(i + 1))
		case reflect.Uint16, reflect.Uint32:
			f.SetUint(uint64(i + 1))
		}
	}
	o.Versions = []cti.Version{20}
	o.Charset = charmap.Windows1250
	o.Logger = slog.New(slog.DiscardHandler)
	o.Handler = cti.HandlerFunc(func(context.Context, cti.Event) {})
	o.Trace = func(cti.TraceRecord) {}
	o.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, nil }

	got := reflect.ValueOf(o.ClientOptions()).Elem()
	for i := range got.NumField() {
		name := got.Type().Field(i).Name
		if name == "TLS" || !got.Type().Field(i).IsExported() { // TLS belongs to the endpoints of a session
			continue
		}
		want := v.FieldByName(name)
		switch {
		case !want.IsValid() || want.Type() != got.Field(i).Type():
			t.Errorf("SessionOptions.%s is missing or of another type", name)
		case got.Field(i).IsZero():
			t.Errorf("SessionOptions.%s does not reach the client", name)
		case want.Comparable() && got.Field(i).Kind() != reflect.Interface && !want.Equal(got.Field(i)):
			t.Errorf("SessionOptions.%s becomes %v", name, got.Field(i))
		}
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	o := cti.Options{Password: "hush"}
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "password", o.Password)
	fmt.Fprintf(&b, "%v %s %q %#v %+v", o.Password, o.Password, o.Password, o.Password, o)
	j, err := json.Marshal(o.Password)
	if err != nil {
		t.Fatal(err)
	}
	b.Write(j)
	if strings.Contains(b.String(), "hush") || !strings.Contains(b.String(), "****") {
		t.Error(b.String())
	}
	if cti.Secret("").String() != "" {
		t.Error("an empty secret looks set")
	}
	var s cti.Secret
	if err := s.UnmarshalText([]byte("x")); err != nil || string(s) != "x" {
		t.Errorf("%q, %v", string(s), err)
	}
}

func TestErrorsSayWhatHappened(t *testing.T) {
	for _, tt := range []struct {
		err       error
		want      string
		retryable bool
		timeout   bool
	}{
		{&cti.StatusError{Request: cti.TypeAnswerCallReq, Status: 13}, "cti: ANSWER_CALL_REQ failed: E_CTI_INVALID_CALLID", false, false},
		{&cti.StatusError{Status: 9999, PeripheralErrorCode: 4}, "cti: StatusCode(9999) (peripheral error 4)", false, false},
		{&cti.ControlError{Request: cti.TypeHoldCallReq, Code: 22}, "cti: HOLD_CALL_REQ failed: CF_INVALID_OBJECT_STATE", false, false},
		{&cti.ConnectError{Side: cti.SideB, Addr: "b:1", Err: io.EOF}, "cti: connect side=B addr=b:1: EOF", false, false},
		{&cti.ProtocolError{Text: "frame", Err: io.ErrUnexpectedEOF}, "cti: protocol error: frame: unexpected EOF", false, false},
		{fmt.Errorf("%w: %w", cti.ErrDown, io.EOF), "cti: session down: EOF", true, false},
		{cti.ErrBusy, "cti: too many outstanding requests", true, false},
		{fmt.Errorf("%w: %w", cti.ErrInterrupted, cti.ErrDown), "cti: request interrupted by a lost connection: cti: session down", false, false},
		{fmt.Errorf("x: %w", cti.ErrRequestTimeout), "x: cti: no confirmation in time", false, true},
		{context.DeadlineExceeded, "context deadline exceeded", false, true},
		{&net.OpError{Op: "read", Err: &net.DNSError{IsTimeout: true}}, "read: lookup : ", false, true},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
		if cti.IsRetryable(tt.err) != tt.retryable || cti.IsTimeout(tt.err) != tt.timeout {
			t.Errorf("%v: retryable %v, timeout %v", tt.err, cti.IsRetryable(tt.err), cti.IsTimeout(tt.err))
		}
	}
}

func TestMux(t *testing.T) {
	var m cti.Mux
	var got []string
	cti.Handle(&m, func(_ context.Context, e *cti.SystemEvent) { got = append(got, "system") })
	cti.Handle(&m, func(_ context.Context, e *cti.SessionDown) { got = append(got, "down") })
	m.HandleEvent(t.Context(), &cti.SystemEvent{})
	m.HandleEvent(t.Context(), &cti.SessionDown{Err: errors.New("x")})
	m.HandleEvent(t.Context(), &cti.Raw{})
	m.Default = cti.HandlerFunc(func(_ context.Context, e cti.Event) { got = append(got, fmt.Sprintf("%T", e)) })
	m.HandleEvent(t.Context(), &cti.Raw{})
	if s := strings.Join(got, " "); s != "system down *cti.Raw" {
		t.Error(s)
	}
	defer func() {
		if recover() == nil {
			t.Error("a second function is accepted")
		}
	}()
	cti.Handle(&m, func(context.Context, *cti.SystemEvent) {})
}
