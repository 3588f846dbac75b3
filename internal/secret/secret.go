// Package secret has the type of passwords and tokens, which the protocol
// packages offer under their own names.
package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// hidden stands for a secret wherever it would be shown.
const hidden = "****"

// Text is a password or token. However it is printed, logged or marshalled, it
// shows as "****", or as nothing when it is empty; only [Text.Reveal] and a
// conversion to string give the text.
type Text string

// Reveal returns the text itself, for the request that needs it.
func (t Text) Reveal() string { return string(t) }

// Is compares in a time that does not depend on where the two differ.
func (t Text) Is(other []byte) bool {
	a, b := sha256.Sum256([]byte(t)), sha256.Sum256(other)
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// String returns "****", or "" for the empty secret.
func (t Text) String() string {
	if t == "" {
		return ""
	}
	return hidden
}

// GoString returns String in quotes.
func (t Text) GoString() string { return `"` + t.String() + `"` }

// Format writes String whatever the verb is: %x would show the bytes.
func (t Text) Format(f fmt.State, verb rune) {
	s := t.String()
	if verb == 'q' || f.Flag('#') {
		s = t.GoString()
	}
	_, _ = io.WriteString(f, s)
}

// LogValue returns String for slog.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText returns String, so that no encoder writes the secret.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText sets the secret, for readers of configuration files.
func (t *Text) UnmarshalText(b []byte) error {
	*t = Text(b)
	return nil
}
