package natskv

import (
	"context"
	"crypto/rand"
	stderrors "errors"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/connects-go/connects/ds104"
)

// headerWrite tells writes apart that have the same place, see write.
const headerWrite = "Connects-Write"

// codeInProcess: a message of the same identity is under way.
const codeInProcess = 10158

// write is a change on its way to the servers.
type write struct {
	subject string
	data    []byte
	marker  bool    // a deletion
	expect  *uint64 // the sequence that the subject must have, 0 = none; nil = any
}

func (w write) at(seq uint64) write {
	w.expect = &seq
	return w
}

// write sends a change until it is known to be done or refused.
//
// Servers compare the expected sequence before they agree on an order, those before 2.9.21
// only then: of two changes that come at once both may pass (nats-server issue 4320). What
// they compare when the order is certain is the identity of a message: one that was seen
// within the last half minute is not stored again. So the identity is the place that the
// change wants, "subject@expected sequence", which only one message ever gets.
func (s *Store) write(ctx context.Context, w write) (ds104.Revision, error) {
	me := rand.Text()
	id := me
	m := &nats.Msg{Subject: s.prefix + w.subject, Data: w.data, Header: nats.Header{}}
	if w.expect != nil {
		seq := strconv.FormatUint(*w.expect, 10)
		m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, seq)
		id = w.subject + "@" + seq
	}
	m.Header.Set(jetstream.MsgIDHeader, id)
	m.Header.Set(headerWrite, me)
	if w.marker {
		m.Header.Set(headerOperation, operationDelete)
	}
	var rev uint64
	maybe := false // an earlier attempt may have been done
	err := s.try(ctx, func(ctx context.Context) error {
		ack, err := s.js.PublishMsg(ctx, m)
		switch {
		case err == nil && !ack.Duplicate:
			rev = ack.Sequence
		case err == nil:
			found, e := s.stream.GetMsg(ctx, ack.Sequence)
			rev, err = winner(found, e, id, me, maybe)
		case isRevision(err) && maybe:
			found, e := s.stream.GetMsg(ctx, *w.expect+1, jetstream.WithGetMsgSubject(m.Subject))
			rev, err = winner(found, e, id, me, maybe)
		case !surelyNot(err):
			maybe = true
		}
		return err
	})
	if maybe && stderrors.Is(err, ds104.ErrDown) {
		err = stderrors.Join(ds104.ErrInterrupted, err)
	}
	return ds104.Revision(rev), err
}

// winner tells whether the message that has the place of a change is that change.
func winner(m *jetstream.RawStreamMsg, err error, id, me string, maybe bool) (uint64, error) {
	gone := stderrors.Is(err, jetstream.ErrMsgNotFound)
	switch {
	case err != nil && !gone:
		return 0, err
	case !gone && m.Header.Get(headerWrite) == me:
		return m.Sequence, nil
	case !gone && m.Header.Get(jetstream.MsgIDHeader) == id, !maybe:
		return 0, ds104.ErrRevision
	}
	return 0, ds104.ErrInterrupted // the history does not reach back
}
