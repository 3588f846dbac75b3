package workcenter

import (
	"fmt"
	"io"
	"log/slog"
)

// hidden stands for a secret wherever it would be shown.
const hidden = "****"

// Secret is a password. It shows itself as **** however it is printed, logged
// or marshalled; [Secret.Reveal] alone gives the text.
type Secret string

// Reveal returns the password itself, for the request that needs it.
func (s Secret) Reveal() string { return string(s) }

// String returns ****, also for the empty secret.
func (s Secret) String() string { return hidden }

// GoString returns ****, for %#v.
func (s Secret) GoString() string { return hidden }

// Format writes **** whatever the verb is.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, hidden) }

// LogValue returns **** for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText returns ****, so that no encoder writes the password.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
