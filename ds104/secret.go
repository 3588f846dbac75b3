package ds104

import "github.com/connects-go/connects/internal/secret"

// Secret is a token. However it is printed, logged or marshalled, it shows as "****"; Is compares it.
type Secret = secret.Text
