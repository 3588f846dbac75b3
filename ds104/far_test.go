package ds104_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connects-go/connects/ds104"
)

// far is a connection with a delay in both directions.
type far struct {
	net.Conn
	in, out chan parcel
	rest    []byte
}

type parcel struct {
	at  time.Time
	b   []byte
	err error
}

func delayed(c net.Conn, d time.Duration) net.Conn {
	f := &far{Conn: c, in: make(chan parcel, 1<<16), out: make(chan parcel, 1<<16)}
	go func() {
		for {
			b := make([]byte, 64<<10)
			n, err := c.Read(b)
			f.in <- parcel{time.Now().Add(d), b[:n], err}
			if err != nil {
				return
			}
		}
	}()
	go func() {
		for p := range f.out {
			<-time.After(time.Until(p.at))
			if _, err := c.Write(p.b); err != nil {
				return
			}
		}
	}()
	return &slow{far: f, d: d}
}

type slow struct {
	*far
	d    time.Duration
	once sync.Once
	mu   sync.Mutex
	done bool
}

func (s *slow) Read(b []byte) (int, error) {
	for len(s.rest) == 0 {
		p := <-s.in
		if p.err != nil {
			return 0, p.err
		}
		<-time.After(time.Until(p.at))
		s.rest = p.b
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *slow) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return 0, net.ErrClosed
	}
	s.out <- parcel{at: time.Now().Add(s.d), b: append([]byte(nil), b...)}
	return len(b), nil
}

func (s *slow) Close() error {
	s.once.Do(func() {
		s.mu.Lock()
		s.done = true
		close(s.out)
		s.mu.Unlock()
	})
	return s.Conn.Close()
}

func TestHalfASecondRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { <-time.After(2 * time.Second) }) // last: bytes on their way arrive
		p := startPair(t, nil)
		c := p.connect(t, "c1", &ds104.PairOptions{Client: ds104.ClientOptions{
			HeartbeatInterval: time.Second,
			Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := p.n.DialContext(ctx, network, addr)
				if err != nil {
					return nil, err
				}
				return delayed(conn, 250*time.Millisecond), nil
			},
		}})
		ready(t, c)
		begin := time.Now()
		mustPut(t, c, "k", "v")
		if d := time.Since(begin); d != time.Second {
			t.Errorf("a write takes %v, want one round trip to each side", d)
		}
		begin = time.Now()
		mustGet(t, c, "k", "v")
		if d := time.Since(begin); d != 500*time.Millisecond {
			t.Errorf("a read takes %v, want one round trip", d)
		}
		begin = time.Now()
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() { mustPut(t, c, fmt.Sprint(i), "v") })
		}
		wg.Wait()
		if d := time.Since(begin); d != time.Second {
			t.Errorf("a thousand writes at once take %v, want what one takes", d)
		}
		begin = time.Now()
		_ = p.srv[0].Close()
		mustPut(t, c, "k", "w")
		t.Logf("write while the deciding side dies: %v", time.Since(begin))
		// A quarter until the end is seen, a round trip for the vote, one for the write.
		if d := time.Since(begin); d > 1250*time.Millisecond+ds104.ElectionTick {
			t.Errorf("takeover %v", d)
		}
		mustGet(t, c, "k", "w")
	})
}
