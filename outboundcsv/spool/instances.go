package spool

import (
	"context"
	"encoding/json"
	stderrors "errors"
	"maps"
	"slices"
	"time"

	"github.com/pkg/errors"
)

// Instances that share a ledger are listed there. Each says every hereEvery that it is
// there, and so does who can open its spool, for it.

const (
	instancesKey = "outbound/instances"
	hereEvery    = 10 * time.Second
	hereLife     = 30 * time.Second
	// maxSilent is how many requests are looked at to tell who is waited for.
	maxSilent = 20
)

// Errors of [Queue.Forget].
var (
	// ErrNoInstance: the ledger knows no instance of that name.
	ErrNoInstance = stderrors.New("spool: no instance of that name is known")
	// ErrAlive: the instance is there, or who can open its spool.
	ErrAlive = stderrors.New("spool: the instance is not gone")
)

// Silence is an instance that deletions wait for.
type Silence struct {
	Instance  string
	Since     time.Time // when the first of them was asked for
	Deletions int       // how many requests wait
	Campaigns []string  // of which campaigns, sorted; of the first twenty requests
}

// seen is an instance in the ledger.
type seen struct {
	Until     time.Time `json:"until"` // when it is no longer listed
	Forgotten bool      `json:"forgotten,omitempty"`
}

func readInstances(v []byte, now time.Time) (map[string]seen, error) {
	m := map[string]seen{}
	if len(v) > 0 {
		if err := json.Unmarshal(v, &m); err != nil {
			return nil, errors.Wrap(err, "spool: instances")
		}
	}
	maps.DeleteFunc(m, func(_ string, s seen) bool { return !s.Until.After(now) })
	return m, nil
}

func (q *Queue) instances(ctx context.Context) (map[string]seen, error) {
	v, _, err := q.o.Ledger.Get(ctx, instancesKey)
	if err != nil {
		return nil, errors.WithMessage(ErrBusy, err.Error())
	}
	return readInstances(v, q.o.Now())
}

// forgotten returns the instances that nobody waits for.
func (q *Queue) forgotten(ctx context.Context) (map[string]bool, error) {
	m, err := q.instances(ctx)
	if err != nil {
		return nil, err
	}
	gone := map[string]bool{}
	for name, s := range m {
		gone[name] = s.Forgotten
	}
	return gone, nil
}

// present tells the others that somebody acts for this queue, and how it deletes. An
// instance that was forgotten is remembered again.
func (q *Queue) present(ctx context.Context, life time.Duration) error {
	m, err := q.instances(ctx)
	if err != nil {
		return err
	}
	now := q.o.Now()
	if s, ok := m[q.o.Instance]; !ok || s.Forgotten || s.Until.Sub(now) < q.holdersLife()-holdersEvery {
		if err := q.enlist(ctx, q.o.Instance, seen{Until: now.Add(q.holdersLife()).UTC()}); err != nil {
			return err
		}
	}
	return q.change(ctx, hereKey(q.o.Instance), life, func([]byte) ([]byte, error) { return []byte(q.o.Profile.Delete), nil })
}

func hereKey(instance string) string { return "outbound/here/" + instance }

func (q *Queue) enlist(ctx context.Context, name string, s seen) error {
	return q.change(ctx, instancesKey, apiLife, func(v []byte) ([]byte, error) {
		m, err := readInstances(v, q.o.Now())
		if err != nil {
			return nil, err
		}
		m[name] = s
		if len(m) > maxHolders {
			return nil, errors.WithMessage(ErrBusy, "too many instances share the ledger")
		}
		return json.Marshal(m)
	})
}

// heardOf returns the delete policy of an instance that somebody acts for; empty when
// nobody does.
func (q *Queue) heardOf(ctx context.Context, name string) (policy string, err error) {
	v, _, err := q.o.Ledger.Get(ctx, hereKey(name))
	if err != nil {
		return "", errors.WithMessage(ErrBusy, err.Error())
	}
	return string(v), nil
}

// Forget says that an instance is gone for good: deletions no longer wait for it, nor
// for its rows in campaigns of the API. What it had accepted and not placed is lost with
// its disk. Should it come back after all, it is one of the instances again; what was
// deleted in the meantime it does not know, as far as that is more than a day ago.
// Errors: ErrNoInstance; ErrAlive for this instance itself, for one that was there within
// the last half minute, and for one whose spool another can open; ErrState without a
// ledger; ErrBusy when the ledger does not answer.
func (q *Queue) Forget(ctx context.Context, name string) error {
	if q.o.Ledger == nil {
		return errors.WithMessage(ErrState, "there is no ledger, so no other instance")
	}
	if name == q.o.Instance {
		return errors.WithMessage(ErrAlive, "it is this one")
	}
	m, err := q.instances(ctx)
	if err != nil {
		return err
	}
	_, box, err := q.o.Ledger.Get(ctx, mailbox(name))
	if err != nil {
		return errors.WithMessage(ErrBusy, err.Error())
	}
	if _, ok := m[name]; !ok && box == 0 { // an older version is not listed
		return ErrNoInstance
	}
	for _, key := range []string{hereKey(name), "outbound/alive/" + name, "outbound/wants/" + name} {
		_, rev, err := q.o.Ledger.Get(ctx, key)
		if err != nil {
			return errors.WithMessage(ErrBusy, err.Error())
		}
		if rev != 0 {
			return ErrAlive
		}
	}
	// Longer than any entry that names it.
	if err := q.enlist(ctx, name, seen{q.o.Now().Add(apiLife).UTC(), true}); err != nil {
		return err
	}
	q.o.Logger.Warn("instance forgotten", "instance", name)
	q.listen(ctx)
	q.kick()
	return nil
}

// listen keeps who is waited for, for Status.
func (q *Queue) listen(ctx context.Context) {
	all, err := q.silences(ctx)
	if err != nil {
		return // the last one stays
	}
	q.mu.Lock()
	changed := len(all) != len(q.silent)
	q.silent = all
	q.mu.Unlock()
	if changed {
		q.o.Changed()
	}
}

func (q *Queue) silences(ctx context.Context) ([]Silence, error) {
	m, err := q.instances(ctx)
	if err != nil {
		return nil, err
	}
	var all []Silence
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if name == q.o.Instance || m[name].Forgotten {
			continue
		}
		v, _, err := q.o.Ledger.Get(ctx, mailbox(name))
		if err != nil {
			return nil, err
		}
		box, err := readMailbox(v)
		if err != nil {
			return nil, err
		}
		s := Silence{Instance: name, Deletions: len(box)}
		for _, key := range box[:min(len(box), maxSilent)] { // the oldest first
			v, _, err := q.o.Ledger.Get(ctx, mailbox(name)+"/"+key)
			if err != nil {
				return nil, err
			}
			var r request
			if len(v) == 0 || json.Unmarshal(v, &r) != nil {
				continue
			}
			if s.Since.IsZero() || r.First.Before(s.Since) {
				s.Since = r.First
			}
			s.Campaigns = append(s.Campaigns, r.Campaign)
		}
		slices.Sort(s.Campaigns)
		s.Campaigns = slices.Compact(s.Campaigns)
		if !s.Since.IsZero() && q.o.Now().Sub(s.Since) >= q.o.AnswerWait {
			all = append(all, s)
		}
	}
	return all, nil
}
