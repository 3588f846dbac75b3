package ds104

import (
	"context"
	"encoding/binary"
	"net"
	"time"

	"github.com/connects-go/connects/ds104/proto"
)

// Apply implements [Replica]. Many items travel in several requests.
func (c *Client) Apply(ctx context.Context, items []Item) (int, error) {
	applied := 0
	for len(items) > 0 {
		n, size := 0, 0
		for n < len(items) && n < maxPageItems && (n == 0 || size+len(items[n].Value) < maxPageBytes) {
			size += len(items[n].Key) + len(items[n].Value) + 128
			n++
		}
		a, err := ask[*proto.ApplyConf](ctx, c, &proto.ApplyReq{Items: toWire(items[:n])}, true)
		if err != nil {
			return applied, err
		}
		applied += int(a.Applied)
		items = items[n:]
	}
	return applied, nil
}

// Digest implements [Replica].
func (c *Client) Digest(ctx context.Context) (Digest, error) {
	a, err := ask[*proto.DigestConf](ctx, c, &proto.DigestReq{}, true)
	if err != nil {
		return Digest{}, err
	}
	if len(a.Sums) != 8*Buckets {
		return Digest{}, ErrProtocol
	}
	d := Digest{Revision: Revision(a.Revision), Sums: make([]uint64, Buckets)}
	for i := range d.Sums {
		d.Sums[i] = binary.BigEndian.Uint64(a.Sums[8*i:])
	}
	return d, nil
}

// Scan implements [Replica].
func (c *Client) Scan(ctx context.Context, b *BucketSet, cursor string) ([]Item, string, error) {
	if b == nil {
		b = new(BucketSet)
		for i := range b {
			b[i] = 0xFF
		}
	}
	a, err := ask[*proto.ScanConf](ctx, c, &proto.ScanReq{Buckets: b[:], From: []byte(cursor)}, true)
	if err != nil {
		return nil, "", err
	}
	return fromWire(a.Items), string(a.Next), nil
}

// Figures asks for the figures of the server.
func (c *Client) Figures(ctx context.Context) ([]Figure, error) {
	a, err := ask[*proto.StatusConf](ctx, c, &proto.StatusReq{}, true)
	if err != nil {
		return nil, err
	}
	out := make([]Figure, len(a.Figures))
	for i, f := range a.Figures {
		out[i] = Figure{f.Name, int64(f.Number)}
	}
	return out, nil
}

// vote votes for the server to decide in a term.
func (c *Client) vote(ctx context.Context, term uint64) (*proto.VoteConf, error) {
	a, err := ask[*proto.VoteConf](ctx, c, &proto.VoteReq{Term: term}, true)
	if err == nil {
		c.heard(a.Term, a.Deciding)
	}
	return a, err
}

// leaveTime is how long a server may take to hear that a voter does not come back.
const leaveTime = 200 * time.Millisecond

// leave is Close that tells the server that this voter does not come back. Every
// connection says so, also one that is still being opened: the server may know of it
// already, and would count its voter as one that is away.
func (c *Client) leave() error {
	c.leaving.Store(true)
	return c.Close()
}

// part ends a link that is not needed any more.
func (l *link) part() {
	if l.c.leaving.Load() {
		ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
		_, _ = l.Do(ctx, &proto.CloseReq{})
		cancel()
	}
	l.fail(ErrClosed)
}

// giveUp closes a connection that is not open yet.
func (c *Client) giveUp(conn net.Conn) {
	if c.leaving.Load() {
		if b, err := proto.AppendMessage(nil, &proto.CloseReq{}); err == nil {
			_ = conn.SetWriteDeadline(time.Now().Add(leaveTime))
			_, _ = conn.Write(b)
		}
	}
	_ = conn.Close()
}
