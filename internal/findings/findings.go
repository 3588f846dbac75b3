// Package findings prints what a check before going live found, a line for each thing
// that was looked at, and a verdict at the end.
package findings

import (
	"crypto/x509"
	"fmt"
	"io"
	"strings"
	"time"
)

// Soon is when the end of a certificate is worth a warning.
const Soon = 30 * 24 * time.Hour

// Report prints findings as they come. It belongs to one goroutine.
type Report struct {
	out    io.Writer
	failed int
}

// New returns a report that prints to out.
func New(out io.Writer) *Report { return &Report{out: out} }

func (r *Report) line(mark, what, format string, args ...any) {
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "; ")
	fmt.Fprintf(r.out, "%-5s %-28s %s\n", mark, what, text)
}

// OK says that something is as it should be.
func (r *Report) OK(what, format string, args ...any) { r.line("ok", what, format, args...) }

// Warn says what works and may surprise.
func (r *Report) Warn(what, format string, args ...any) { r.line("warn", what, format, args...) }

// Fail says what does not work.
func (r *Report) Fail(what, format string, args ...any) {
	r.failed++
	r.line("FAIL", what, format, args...)
}

// FailEach fails once for each line of an error.
func (r *Report) FailEach(what string, err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		r.Fail(what, "%s", line)
	}
}

// Certificate says until when a certificate is good.
func (r *Report) Certificate(what string, c *x509.Certificate, now time.Time) {
	end := c.NotAfter.Format(time.DateOnly)
	switch left := c.NotAfter.Sub(now); {
	case left <= 0:
		r.Fail(what, "expired on %s: %s", end, c.Subject)
	case now.Before(c.NotBefore):
		r.Fail(what, "not valid before %s: %s", c.NotBefore.Format(time.DateOnly), c.Subject)
	case left < Soon:
		r.Warn(what, "expires on %s: %s", end, c.Subject)
	default:
		r.OK(what, "valid until %s: %s", end, c.Subject)
	}
}

// End prints the verdict, and returns whether nothing failed.
func (r *Report) End() bool {
	if r.failed == 0 {
		fmt.Fprintln(r.out, "everything is fine")
		return true
	}
	fmt.Fprintf(r.out, "%d problem(s)\n", r.failed)
	return false
}
