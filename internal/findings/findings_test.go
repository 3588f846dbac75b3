package findings_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/internal/findings"
)

func TestReport(t *testing.T) {
	var b bytes.Buffer
	r := findings.New(&b)
	r.OK("spool", "%s can be written", "/s")
	r.Warn("a name of more than 28 characters", "two\nlines")
	if !r.End() {
		t.Error("a warning is no failure")
	}
	r.Fail("store", "%v", errors.New("away"))
	r.FailEach("configuration", errors.Join(errors.New("a"), errors.New("b: 100%")))
	if r.End() {
		t.Error("something failed")
	}
	want := "ok    spool                        /s can be written\n" +
		"warn  a name of more than 28 characters two; lines\n" +
		"everything is fine\n" +
		"FAIL  store                        away\n" +
		"FAIL  configuration                a\n" +
		"FAIL  configuration                b: 100%\n" +
		"3 problem(s)\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCertificate(t *testing.T) {
	day := 24 * time.Hour
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := &x509.Certificate{NotBefore: from, NotAfter: from.Add(365 * day), Subject: pkix.Name{CommonName: "crm"}}
	for _, tt := range []struct {
		now  time.Time
		want string
	}{
		{from.Add(-time.Second), "FAIL  cert                         not valid before 2026-01-01: CN=crm\n"},
		{from, "ok    cert                         valid until 2027-01-01: CN=crm\n"},
		{c.NotAfter.Add(-findings.Soon), "ok    cert                         valid until 2027-01-01: CN=crm\n"},
		{c.NotAfter.Add(-findings.Soon + 1), "warn  cert                         expires on 2027-01-01: CN=crm\n"},
		{c.NotAfter, "FAIL  cert                         expired on 2027-01-01: CN=crm\n"},
	} {
		var b bytes.Buffer
		findings.New(&b).Certificate("cert", c, tt.now)
		if b.String() != tt.want {
			t.Errorf("%v: %q, want %q", tt.now, b.String(), tt.want)
		}
	}
}
