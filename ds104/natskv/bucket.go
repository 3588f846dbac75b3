package natskv

import (
	"context"
	stderrors "errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Errors of [New].
var (
	// ErrNoJetStream: the servers run without JetStream, or the account may not use it.
	ErrNoJetStream = stderrors.New("natskv: JetStream is not enabled on the servers, or not for this account")
	// ErrReplicas: there are fewer servers, or servers with room, than Options.Replicas.
	ErrReplicas = stderrors.New("natskv: the servers cannot hold so many replicas")
	// ErrSettings: the bucket exists and is not as Options say. It is left as it is.
	ErrSettings = stderrors.New("natskv: the bucket exists with other settings")
)

// config is the bucket as NATS clients make it, but for direct reads: those are answered
// by any replica, also by one that does not know yet what was acknowledged.
func (s *Store) config() jetstream.StreamConfig {
	c := jetstream.StreamConfig{
		Name:              "KV_" + s.opts.Bucket,
		Subjects:          []string{s.prefix + ">"},
		MaxMsgsPerSubject: int64(s.opts.History),
		MaxBytes:          s.opts.MaxBytes,
		MaxMsgSize:        -1,
		MaxMsgs:           -1,
		MaxConsumers:      -1,
		Discard:           jetstream.DiscardNew,
		Replicas:          s.opts.Replicas,
		Duplicates:        window,
		AllowRollup:       true,
		DenyDelete:        true,
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = -1
	}
	if s.opts.InMemory {
		c.Storage = jetstream.MemoryStorage
	}
	return c
}

// patience is how long nobody has to answer for JetStream until it is taken for not there:
// servers of a cluster may have it that are not connected yet.
const patience = 2 * time.Second

// openBucket opens the bucket and creates it when it is not there.
func (s *Store) openBucket(ctx context.Context) error {
	begin := time.Now()
	return s.try(ctx, func(ctx context.Context) error {
		err := s.openOnce(ctx)
		if stderrors.Is(err, nats.ErrNoResponders) && time.Since(begin) > patience {
			return fmt.Errorf("%w: nobody answers", ErrNoJetStream)
		}
		return err
	})
}

func (s *Store) openOnce(ctx context.Context) error {
	want := s.config()
	stream, err := s.js.Stream(ctx, want.Name)
	if stderrors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = s.js.CreateStream(ctx, want)
		if stderrors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another connector was faster
			stream, err = s.js.Stream(ctx, want.Name)
		}
	}
	switch {
	case err == nil:
	case stderrors.Is(err, jetstream.ErrJetStreamNotEnabled), stderrors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return stderrors.Join(ErrNoJetStream, err)
	case codeOf(err) == codeNoPeers, codeOf(err) == codeReplicasNoCluster, codeOf(err) == codeInsufficient:
		return fmt.Errorf("%w: option Replicas=%d: %w", ErrReplicas, want.Replicas, err)
	default:
		return err
	}
	if err := differs(want, stream.CachedInfo().Config); err != nil {
		return fmt.Errorf("%w: bucket %q: %w; delete it, or change it (nats stream edit %s), or the options", ErrSettings, s.opts.Bucket, err, want.Name)
	}
	s.stream = stream
	return nil
}

// differs says what of a bucket is not as it has to be.
func differs(want, is jetstream.StreamConfig) error {
	var errs []error
	check := func(name string, same bool, is, want any) {
		if !same {
			errs = append(errs, fmt.Errorf("%s is %v, wanted %v", name, is, want))
		}
	}
	check("Replicas", is.Replicas == want.Replicas, is.Replicas, want.Replicas)
	check("History", is.MaxMsgsPerSubject == want.MaxMsgsPerSubject, is.MaxMsgsPerSubject, want.MaxMsgsPerSubject)
	check("MaxBytes", is.MaxBytes == want.MaxBytes, is.MaxBytes, want.MaxBytes)
	check("storage", is.Storage == want.Storage, is.Storage, want.Storage)
	check("subjects", slices.Equal(is.Subjects, want.Subjects), is.Subjects, want.Subjects)
	check("age limit", is.MaxAge == 0, is.MaxAge, "none")
	check("message limit", is.MaxMsgs < 0, is.MaxMsgs, "none")
	check("discard", is.Discard == want.Discard, is.Discard, want.Discard)
	check("duplicate window", is.Duplicates >= want.Duplicates, is.Duplicates, want.Duplicates)
	check("allow direct", !is.AllowDirect || is.Replicas == 1, is.AllowDirect, false)
	return stderrors.Join(errs...)
}
