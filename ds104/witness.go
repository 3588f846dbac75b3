package ds104

import "context"

// Witness is a voter of a [Pair] that stores nothing of its own: the third vote for an
// installation with two connectors, on a machine that has neither side. It sees to it
// that conditional writes go on when one machine ends; see Pair for the layouts.
//
// It is a Pair without the store: like every voter it compares the sides before it votes
// for one and brings them level when one returns, so keys and values may pass through it.
// It needs little: some hundred kilobytes, and the keys that differ while it compares.
type Witness struct{ pair *Pair }

// NewWitness returns a witness that connects in the background. Client.Name is its name
// as a voter and no connector may have it. DecideWait and HedgeAfter mean nothing to it.
// The error names every option that cannot be used.
func NewWitness(o PairOptions) (*Witness, error) {
	p, err := NewPair(o)
	if err != nil {
		return nil, err
	}
	return &Witness{p}, nil
}

// WaitReady waits until a side decides. Errors: that of ctx, ErrClosed.
func (w *Witness) WaitReady(ctx context.Context) error { return w.pair.WaitReady(ctx) }

// Stats returns a snapshot; Alone and Hedged are always 0.
func (w *Witness) Stats() PairStats { return w.pair.Stats() }

// Close leaves both sides and tells them that this voter does not come back, so that the
// others count without it. It may be called again and returns nil.
func (w *Witness) Close() error { return w.pair.Close() }
