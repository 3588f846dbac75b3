package workcenter

import "github.com/connects-go/connects/internal/secret"

// Secret is a password. However it is printed, logged or marshalled, it shows as "****"; Reveal gives
// the text.
type Secret = secret.Text
