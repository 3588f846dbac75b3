package ds104

import (
	"context"
	"encoding/binary"
	"iter"
	"strings"
)

// Figure is one number of a server, with its name.
type Figure struct {
	Name   string // for people, in English; it may change
	Number int64  // a count, or bytes where Name says so
}

// Figures returns the figures of the server and of its store, for people and for
// the partner. Their names may change.
func (s *Server) Figures() []Figure {
	st := s.Stats()
	out := []Figure{
		{"connections", int64(st.Conns)}, {"accepted", st.Accepted}, {"refused", st.Refused}, {"dropped", st.Dropped},
		{"requests", st.Requests}, {"failures", st.Failures}, {"watches", st.Watches},
		{"voters", int64(st.Council.Voters)}, {"voters connected", int64(st.Council.Connected)},
	}
	switch st := s.store.(type) {
	case *Memory:
		m := st.Stats()
		out = append(out, m.figures()...)
	case *Log:
		l := st.Stats()
		out = append(append(out, l.figures()...), Figure{"size on disk", l.DiskSize}, Figure{"flushes", l.Flushes}, Figure{"bases written", l.Bases})
	case *Bolt:
		b := st.Stats()
		out = append(out, Figure{"entries", int64(b.Entries)}, Figure{"bytes", b.Bytes}, Figure{"file size", b.FileSize}, Figure{"puts", b.Puts}, Figure{"deletes", b.Deletes},
			Figure{"expired", b.Expired}, Figure{"revision conflicts", b.Refused}, Figure{"refused as full", b.Full},
			Figure{"refused for the share of a client", b.Quota}, Figure{"commits", b.Commits}, Figure{"failed commits", b.Failed})
	}
	return out
}

func (m *MemoryStats) figures() []Figure {
	return []Figure{
		{"entries", int64(m.Entries)}, {"bytes", m.Bytes}, {"puts", m.Puts}, {"deletes", m.Deletes},
		{"expired", m.Expired}, {"revision conflicts", m.Refused}, {"refused as full", m.Full},
		{"refused for the share of a client", m.Quota}, {"gaps", m.Gaps},
	}
}

func appendUint64(dst []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(dst, v) }

// lister is a store that can begin a list in the middle.
type lister interface {
	listFrom(ctx context.Context, prefix, from string) iter.Seq2[Entry, error]
}

// listFrom lists from a key on.
func listFrom(ctx context.Context, st Store, prefix, from string) iter.Seq2[Entry, error] {
	if l, ok := st.(lister); ok {
		return l.listFrom(ctx, prefix, from)
	}
	return func(yield func(Entry, error) bool) {
		for e, err := range st.List(ctx, prefix) {
			if err == nil && strings.Compare(e.Key, from) < 0 {
				continue
			}
			if !yield(e, err) {
				return
			}
		}
	}
}
