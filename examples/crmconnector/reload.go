package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// onHangup returns a channel with a value for every SIGHUP until ctx ends.
func onHangup(ctx context.Context) <-chan struct{} {
	hangup, out := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hangup, syscall.SIGHUP)
	go func() {
		defer signal.Stop(hangup)
		for {
			select {
			case <-hangup:
			case <-ctx.Done():
				return
			}
			select {
			case out <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}
