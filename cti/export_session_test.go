package cti

// ClientOptions returns the options that a session's connections get.
func (o *SessionOptions) ClientOptions() *Options { return o.client() }
