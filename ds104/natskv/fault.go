package natskv

import (
	"context"
	stderrors "errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/pkg/errors"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/internal/backoff"
)

const (
	// firstTry and nextTry are how long an answer may take before a call is repeated.
	firstTry = time.Second
	nextTry  = 2 * time.Second
	// maxTry ends repetitions whatever the context says, before the servers forget the
	// identity of a write, see window.
	maxTry = 20 * time.Second
	// window is how long the servers remember identities.
	window = 30 * time.Second
)

// try repeats f, with a context for each time, until it returns anything but a fault of
// the link or of the servers that may pass. The error is one of ds104, or of ctx.
func (s *Store) try(ctx context.Context, f func(context.Context) error) error {
	longest := maxTry
	if _, ok := ctx.Deadline(); !ok {
		longest = min(longest, s.opts.Wait)
	}
	all, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	wait := backoff.Backoff{Min: 50 * time.Millisecond, Max: time.Second}
	for limit := firstTry; ; limit = nextTry {
		err := s.connected(all)
		if err == nil {
			once, done := context.WithTimeout(all, limit)
			err = f(once)
			done()
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case s.ctx.Err() != nil:
			return ds104.ErrClosed
		case !passes(err) || s.nc.IsClosed() || wait.Wait(all) != nil:
			return s.fault(ctx, err)
		}
	}
}

// connected waits for the connection.
func (s *Store) connected(ctx context.Context) error {
	if s.nc.IsConnected() {
		return nil
	}
	changed := s.nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer s.nc.RemoveStatusListener(changed)
	for !s.nc.IsConnected() {
		if s.nc.IsClosed() {
			return nats.ErrConnectionClosed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return stderrors.Join(nats.ErrDisconnected, ctx.Err())
		}
	}
	return nil
}

// Codes of JetStream's errors that nats.go has no names for.
const (
	codeIncomplete        = 10004 // cluster
	codeNoPeers           = 10005
	codeUnavailable       = 10008
	codeNotLeader         = 10009
	codeInsufficient      = 10023
	codeMemoryExceeded    = 10028
	codeStorageExceeded   = 10047
	codeReplicasNoCluster = 10074
	codeStoreFailed       = 10077
	codeStreamOffline     = 10118
)

// codeOf returns the code of an error of JetStream, or 0.
func codeOf(err error) jetstream.ErrorCode {
	var e *jetstream.APIError
	if stderrors.As(err, &e) {
		return e.ErrorCode
	}
	var j jetstream.JetStreamError
	if stderrors.As(err, &j) && j.APIError() != nil {
		return j.APIError().ErrorCode
	}
	return 0
}

// passes tells whether a repetition may succeed.
func passes(err error) bool {
	switch codeOf(err) {
	case codeIncomplete, codeUnavailable, codeNotLeader, codeStreamOffline, codeInProcess:
		return true
	}
	return surelyNot(err) || stderrors.Is(err, context.DeadlineExceeded) || stderrors.Is(err, nats.ErrTimeout) ||
		stderrors.Is(err, nats.ErrConnectionClosed)
}

// surelyNot tells whether a request has certainly reached nobody.
func surelyNot(err error) bool {
	return stderrors.Is(err, nats.ErrNoResponders) || stderrors.Is(err, jetstream.ErrNoStreamResponse) ||
		stderrors.Is(err, nats.ErrReconnectBufExceeded) || stderrors.Is(err, nats.ErrDisconnected)
}

func isRevision(err error) bool {
	c := codeOf(err)
	return c == jetstream.JSErrCodeStreamWrongLastSequence || c == jetstream.JSErrCodeStreamWrongLastSequenceConstant
}

// fault turns an error of NATS into one of ds104.
func (s *Store) fault(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case s.ctx.Err() != nil:
		return ds104.ErrClosed
	case stderrors.Is(err, jetstream.ErrMsgNotFound):
		return ds104.ErrNotFound
	case isRevision(err):
		return ds104.ErrRevision
	case stderrors.Is(err, nats.ErrMaxPayload):
		return ds104.ErrTooLarge
	case passes(err):
		return stderrors.Join(ds104.ErrDown, err)
	}
	switch codeOf(err) {
	case codeStoreFailed, codeStorageExceeded, codeMemoryExceeded, codeInsufficient:
		return stderrors.Join(ds104.ErrFull, err)
	case jetstream.JSErrCodeStreamMessageExceedsMaximum:
		return ds104.ErrTooLarge
	case 0:
		for _, ours := range []error{ds104.ErrRevision, ds104.ErrInterrupted, ErrNoJetStream, ErrReplicas, ErrSettings} {
			if stderrors.Is(err, ours) {
				return err
			}
		}
	}
	return errors.Wrap(err, "natskv")
}
