package cti

import "log/slog"

// Secret is a password. Whatever prints, logs or marshals it gets "****"; only a conversion to
// string shows it.
type Secret string

const redacted = "****"

// String returns asterisks, or nothing when the secret is empty.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString returns what String does.
func (s Secret) GoString() string { return `"` + s.String() + `"` }

// LogValue returns what String does.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns what String does.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText sets the secret, for readers of configuration files.
func (s *Secret) UnmarshalText(b []byte) error {
	*s = Secret(b)
	return nil
}
