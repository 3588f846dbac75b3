package testnet_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connects-go/connects/internal/leaktest"
	"github.com/connects-go/connects/internal/testnet"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func connect(t *testing.T, n *testnet.Net, addr string) (client, server net.Conn) {
	t.Helper()
	ln, err := n.Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return redial(t, n, ln)
}

func redial(t *testing.T, n *testnet.Net, ln net.Listener) (client, server net.Conn) {
	t.Helper()
	client, err := n.DialContext(t.Context(), "tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if server, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

func TestBytesArriveInOrderAndThenTheEnd(t *testing.T) {
	c, s := connect(t, testnet.New(), "a:1")
	want := bytes.Repeat([]byte("0123456789"), 50_000)
	go func() {
		c.Write(want)
		c.Close()
	}()
	got, err := io.ReadAll(s)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read %d bytes, %v; want %d", len(got), err, len(want))
	}
	if _, err := s.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write to a closed peer: %v", err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read after own close: %v", err)
	}
}

func TestDeadlinesPassInProtocolTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := testnet.Pipe()
		start := time.Now()
		c.SetReadDeadline(start.Add(20 * time.Second))
		_, err := c.Read(make([]byte, 1))
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 20*time.Second {
			t.Errorf("read: %v after %v", err, time.Since(start))
		}
		var ne net.Error
		if !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("%v is no net timeout", err)
		}
		s.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := s.Write(make([]byte, 1<<20))
		if !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 || n == 1<<20 {
			t.Errorf("write: %d, %v", n, err)
		}
		// A deadline in the past wakes a waiting reader.
		c.SetReadDeadline(time.Time{})
		done := make(chan error)
		go func() {
			io.Copy(io.Discard, c)
			done <- nil
		}()
		synctest.Wait()
		c.SetReadDeadline(time.Unix(1, 0))
		<-done
	})
}

func TestDiallingFindsRefusalsAndBlackHoles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New()
		if _, err := n.DialContext(t.Context(), "tcp", "a:1"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("nobody listens: %v", err)
		}
		ln, err := n.Listen("a:1")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Listen("a:1"); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("second listener: %v", err)
		}
		n.Refuse("a:1", true)
		if _, err := n.DialContext(t.Context(), "tcp", "a:1"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("refused: %v", err)
		}
		n.Refuse("a:1", false)
		n.Blackhole("a:1", true)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		if _, err := n.DialContext(ctx, "tcp", "a:1"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("black hole: %v after %v", err, time.Since(start))
		}
		n.Blackhole("a:1", false)
		c, err := n.DialContext(t.Context(), "tcp", "a:1")
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		ln.Close()
		if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept after close: %v", err)
		}
		if got := len(n.Dials()); got != 4 {
			t.Errorf("%d dials are recorded, want 4", got)
		}
	})
}

func TestStalledConnectionDeliversNothingNotEvenTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New()
		c, s := connect(t, n, "a:1")
		n.Stall("a:1", true)
		s.Write([]byte("hello"))
		s.Close()
		c.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := c.Read(make([]byte, 5)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("stalled read: %v", err)
		}
		n.Stall("a:1", false)
		c.SetReadDeadline(time.Time{})
		if b, err := io.ReadAll(c); string(b) != "hello" || err != nil {
			t.Errorf("after the stall: %q, %v", b, err)
		}
	})
}

func TestCutChunkAndCutAfter(t *testing.T) {
	n := testnet.New()
	ln, err := n.Listen("a:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	addr := ln.Addr().String()

	n.Chunk(addr, 2)
	c, s := redial(t, n, ln)
	s.Write([]byte("hello"))
	buf := make([]byte, 9)
	if k, err := c.Read(buf); k != 2 || err != nil {
		t.Errorf("chunked read: %d, %v", k, err)
	}
	if got := n.Cut(addr); got != 1 {
		t.Errorf("cut %d connections", got)
	}
	if _, err := c.Read(buf); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read after cut: %v", err)
	}
	if _, err := s.Write(buf); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("write after cut: %v", err)
	}

	n.CutAfter(addr, 3, -1)
	c, s = redial(t, n, ln)
	if k, err := s.Write([]byte("hello")); k != 3 {
		t.Errorf("write over the cut: %d, %v", k, err)
	}
	if b, err := io.ReadAll(c); string(b) != "hel" || err != nil {
		t.Errorf("read over the cut: %q, %v", b, err)
	}
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("write after the cut succeeds")
	}
}
