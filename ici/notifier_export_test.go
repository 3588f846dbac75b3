package ici

// EventTarget takes an event URL apart as the notifier does, for tests.
func EventTarget(raw string) (host, port, authority, target string, err error) {
	u, err := parseEventURL(raw)
	return u.host, u.port, u.authority, u.target, err
}
