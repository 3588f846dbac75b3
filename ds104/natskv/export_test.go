package natskv

import "time"

// WithMarkerAge returns options of a Store that forgets deletions sooner.
func WithMarkerAge(o Options, d time.Duration) *Options {
	o.markerAge = d
	return &o
}
