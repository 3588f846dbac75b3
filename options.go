package connects

import (
	"errors"
	"log/slog"
	"time"
)

// Defaults of [Options].
const (
	// DefaultStopTimeout is how long one component may take to stop.
	DefaultStopTimeout = 10 * time.Second
	// DefaultWatchBuffer is how many changes a node keeps for slow watchers.
	DefaultWatchBuffer = 256
)

// Options configure a [Node]. Nil means the zero value, and the zero value means
// defaults. NewNode copies the struct.
type Options struct {
	// Logger receives life cycle and state changes; nil discards them. Components
	// get it with component=<name>.
	Logger *slog.Logger
	// StopTimeout is each component's own budget for Stop, and for leaving a
	// Start that was broken off; 0 = DefaultStopTimeout, at most an hour.
	StopTimeout time.Duration
	// DrainDelay is how long a stopping node keeps serving while its health
	// already says 503, so that a proxy turns away first; 0 = not at all, at most
	// ten minutes. Choose a little more than the interval of the proxy's probe.
	DrainDelay time.Duration
	// WatchBuffer is how many changes are kept for Watch; 0 = DefaultWatchBuffer,
	// at most 65536.
	WatchBuffer int
	// Version is shown by Health, for example the version of the binary.
	Version string
}

func (o *Options) withDefaults() Options {
	var c Options
	if o != nil {
		c = *o
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.StopTimeout == 0 {
		c.StopTimeout = DefaultStopTimeout
	}
	if c.WatchBuffer == 0 {
		c.WatchBuffer = DefaultWatchBuffer
	}
	return c
}

// validate reports every problem, joined.
func (o *Options) validate() error {
	var errs []error
	if o.StopTimeout < 0 || o.StopTimeout > time.Hour {
		errs = append(errs, &ConfigError{"StopTimeout", o.StopTimeout, "must be between 0 and 1h"})
	}
	if o.DrainDelay < 0 || o.DrainDelay > 10*time.Minute {
		errs = append(errs, &ConfigError{"DrainDelay", o.DrainDelay, "must be between 0 and 10m"})
	}
	if o.WatchBuffer < 0 || o.WatchBuffer > 1<<16 {
		errs = append(errs, &ConfigError{"WatchBuffer", o.WatchBuffer, "must be between 0 and 65536"})
	}
	return errors.Join(errs...)
}
