package ds104

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
)

// Secret is a token that shows itself in no text and no log.
type Secret string

// String returns "****", or nothing for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "****"
}

// GoString returns String.
func (s Secret) GoString() string { return s.String() }

// MarshalText returns String.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Is compares in a time that does not depend on where they differ.
func (s Secret) Is(token []byte) bool {
	a, b := sha256.Sum256([]byte(s)), sha256.Sum256(token)
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
