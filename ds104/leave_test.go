package ds104_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connects-go/connects/ds104"
)

// deaf is a connection on which nothing comes; what is written arrives after a while, also
// when it was closed meanwhile, as TCP has it.
type deaf struct {
	net.Conn
	delay time.Duration
	over  chan struct{}
	once  sync.Once
	wg    sync.WaitGroup
}

func (d *deaf) Read([]byte) (int, error) {
	<-d.over
	return 0, net.ErrClosed
}

func (d *deaf) Write(b []byte) (int, error) {
	select {
	case <-d.over:
		return 0, net.ErrClosed
	default:
	}
	b = append([]byte(nil), b...)
	d.wg.Go(func() {
		<-time.After(d.delay)
		_, _ = d.Conn.Write(b)
	})
	return len(b), nil
}

func (d *deaf) Close() error {
	d.once.Do(func() {
		close(d.over)
		go func() {
			d.wg.Wait()
			_ = d.Conn.Close()
		}()
	})
	return nil
}

// A pair that is closed is no voter any more, whatever its connections were doing.
func TestPairIsClosedWhileItConnects(t *testing.T) {
	for name, tc := range map[string]struct {
		open  int // of the connections to each side, when it is closed
		delay time.Duration
	}{
		"the server has answered one and knows both": {1, 0},
		"the server hears of the second one later":   {1, time.Second},
		"the server has answered none":               {0, 0},
		"the server hears of both later":             {0, time.Second},
		"the server has answered both":               {2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := startPair(t, nil)
				stays := p.connect(t, "stays", nil)
				ready(t, stays)
				var mu sync.Mutex
				dials := map[string]int{}
				c := p.connect(t, "goes", &ds104.PairOptions{Client: ds104.ClientOptions{
					Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
						conn, err := p.n.DialContext(ctx, network, addr)
						mu.Lock()
						defer mu.Unlock()
						if dials[addr]++; err != nil || dials[addr] <= tc.open {
							return conn, err
						}
						return &deaf{Conn: conn, delay: tc.delay, over: make(chan struct{})}, nil
					},
				}})
				synctest.Wait()
				for i, s := range c.Stats().Sides {
					if s.Client.Conns != tc.open {
						t.Fatalf("%d connections to side %d", s.Client.Conns, i)
					}
				}
				begin := time.Now()
				if err := c.Close(); err != nil {
					t.Error(err)
				}
				if took := time.Since(begin); took > ds104.LeaveTime {
					t.Errorf("closing takes %v", took)
				}
				<-time.After(time.Minute)
				for i, srv := range p.srv {
					if s := srv.Stats().Council; s.Voters != 1 || s.Connected != 1 {
						t.Errorf("side %d has %d voters, %d connected, after one of two is closed", i, s.Voters, s.Connected)
					}
				}
			})
		})
	}
}

// A connector that begins anew while the servers have not seen the end of the old one, or
// that the old one said that it leaves, is a voter.
func TestPairBeginsAnewUnderItsName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPair(t, nil)
		for round := range 20 {
			c := p.connect(t, "c1", nil)
			ready(t, c)
			if _, err := c.Put(t.Context(), "k", nil, ds104.PutOptions{IfAbsent: round == 0}); err != nil {
				t.Fatal(err)
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
