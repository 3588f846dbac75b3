package ds104_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/connects-go/connects/ds104"
)

// The benchmarks of the network compare a server of this process with redis-server, over
// loopback, with values of 2 kB and the same number of callers in the same run:
//
//	go test -run '^$' -bench Net -benchmem ./ds104
//
// Every caller of Redis has a connection of its own, as a Redis client of one request at
// a time has; callers of ours share two.

const benchKeys = 10_000

var benchCallers = []int{1, 16, 128}

// callers runs b.N operations from so many goroutines.
func callers(b *testing.B, n int, op func(caller, i int) error) {
	b.Helper()
	b.ReportAllocs()
	b.SetBytes(2000)
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for c := range n {
		wg.Go(func() {
			for {
				i := next.Add(1)
				if i > int64(b.N) {
					return
				}
				if err := op(c, int(i%benchKeys)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
}

// loopback starts a server on a free port and returns a client of it.
func loopback(b *testing.B, st ds104.Store) *ds104.Client {
	b.Helper()
	s, err := ds104.NewServer(st, nil)
	if err != nil {
		b.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = s.Serve(ln) }()
	c, err := ds104.Dial(b.Context(), ln.Addr().String(), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close(); _ = s.Close() })
	return c
}

func benchKey(i int) string { return "call/" + strconv.Itoa(i) }

func benchStore(b *testing.B, c ds104.Store, n int, get bool) {
	value := bytes.Repeat([]byte("v"), 2000)
	if get {
		for i := range benchKeys {
			if _, err := c.Put(b.Context(), benchKey(i), value, ds104.PutOptions{}); err != nil {
				b.Fatal(err)
			}
		}
	}
	ctx := b.Context()
	callers(b, n, func(_, i int) error {
		if get {
			_, err := c.Get(ctx, benchKey(i))
			return err
		}
		_, err := c.Put(ctx, benchKey(i), value, ds104.PutOptions{})
		return err
	})
}

func BenchmarkNetMemory(b *testing.B) {
	for _, op := range []string{"Put", "Get"} {
		for _, n := range benchCallers {
			b.Run(fmt.Sprintf("%s/callers=%d", op, n), func(b *testing.B) {
				st := ds104.NewMemory(nil)
				defer st.Close()
				benchStore(b, loopback(b, st), n, op == "Get")
			})
		}
	}
}

func BenchmarkNetBolt(b *testing.B) {
	for _, n := range benchCallers {
		b.Run(fmt.Sprintf("Put/callers=%d", n), func(b *testing.B) {
			benchStore(b, loopback(b, openBolt(b, filepath.Join(b.TempDir(), "s"), nil)), n, false)
		})
	}
}

func BenchmarkNetLog(b *testing.B) {
	for _, n := range benchCallers {
		b.Run(fmt.Sprintf("Put/callers=%d", n), func(b *testing.B) {
			benchStore(b, loopback(b, openLog(b, filepath.Join(b.TempDir(), "s"), nil)), n, false)
		})
	}
}

// resp is a connection to Redis: one request at a time.
type resp struct {
	conn net.Conn
	r    *bufio.Reader
	out  []byte
	in   []byte
}

func (c *resp) do(args ...[]byte) error {
	c.out = append(strconv.AppendInt(append(c.out[:0], '*'), int64(len(args)), 10), "\r\n"...)
	for _, a := range args {
		c.out = append(strconv.AppendInt(append(c.out, '$'), int64(len(a)), 10), "\r\n"...)
		c.out = append(append(c.out, a...), "\r\n"...)
	}
	if _, err := c.conn.Write(c.out); err != nil {
		return err
	}
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return err
	}
	switch line[0] {
	case '+':
		return nil
	case '$':
		n, err := strconv.Atoi(string(bytes.TrimSpace(line[1:])))
		if err != nil || n < 0 {
			return fmt.Errorf("redis: %q", line)
		}
		if cap(c.in) < n+2 {
			c.in = make([]byte, n+2)
		}
		_, err = io.ReadFull(c.r, c.in[:n+2])
		return err
	}
	return fmt.Errorf("redis: %q", line)
}

// startRedis starts redis-server and returns connections to it.
func startRedis(b *testing.B, n int, args ...string) []*resp {
	b.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		b.Skip("SKIPPED: redis-server is not installed (Debian package redis-server)")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	addr := ln.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	_ = ln.Close()
	cmd := exec.CommandContext(context.WithoutCancel(b.Context()), "redis-server", append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", b.TempDir(), "--save", ""}, args...)...)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	var out []*resp
	for tries := 0; len(out) < n; tries++ {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			if tries == 200 {
				b.Fatal(err)
			}
			<-time.After(25 * time.Millisecond)
			continue
		}
		b.Cleanup(func() { _ = conn.Close() })
		out = append(out, &resp{conn: conn, r: bufio.NewReaderSize(conn, 8<<10)})
	}
	return out
}

func benchRedis(b *testing.B, conns []*resp, get bool) {
	value := bytes.Repeat([]byte("v"), 2000)
	if get {
		for i := range benchKeys {
			if err := conns[0].do([]byte("SET"), []byte(benchKey(i)), value); err != nil {
				b.Fatal(err)
			}
		}
	}
	callers(b, len(conns), func(c, i int) error {
		if get {
			return conns[c].do([]byte("GET"), []byte(benchKey(i)))
		}
		return conns[c].do([]byte("SET"), []byte(benchKey(i)), value)
	})
}

func BenchmarkNetRedis(b *testing.B) {
	for _, op := range []string{"Put", "Get"} {
		for _, n := range benchCallers {
			b.Run(fmt.Sprintf("%s/callers=%d", op, n), func(b *testing.B) { benchRedis(b, startRedis(b, n), op == "Get") })
		}
	}
}

func BenchmarkNetRedisAppendfsyncAlways(b *testing.B) {
	for _, n := range benchCallers {
		b.Run(fmt.Sprintf("Put/callers=%d", n), func(b *testing.B) {
			benchRedis(b, startRedis(b, n, "--appendonly", "yes", "--appendfsync", "always"), false)
		})
	}
}

// BenchmarkNetTakeover reports the longest call of 16 callers while side A dies, over real
// sockets.
func BenchmarkNetTakeover(b *testing.B) {
	longest := time.Duration(0)
	for range b.N {
		longest = max(longest, takeoverOnce(b))
	}
	b.ReportMetric(float64(longest)/float64(time.Millisecond), "ms-longest")
}

func takeoverOnce(b *testing.B) time.Duration {
	var addrs [2]string
	var servers [2]*ds104.Server
	for i := range addrs {
		side := ds104.SideA + ds104.Side(i)
		s, err := ds104.NewServer(ds104.NewMemory(&ds104.MemoryOptions{Side: side}), &ds104.ServerOptions{Side: side})
		if err != nil {
			b.Fatal(err)
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		go func() { _ = s.Serve(ln) }()
		defer s.Close()
		addrs[i], servers[i] = ln.Addr().String(), s
	}
	p, err := ds104.NewPair(ds104.PairOptions{A: addrs[0], B: addrs[1], Client: ds104.ClientOptions{Name: "c"}})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	ready(b, p)
	var longest atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for c := range 16 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				begin := time.Now()
				key := benchKey(c*1000 + i%1000)
				if _, err := p.Put(b.Context(), key, []byte("v"), ds104.PutOptions{}); err != nil {
					b.Errorf("put: %v", err)
					return
				}
				if _, err := p.Get(b.Context(), key); err != nil {
					b.Errorf("get: %v", err)
					return
				}
				if d := int64(time.Since(begin)); d > longest.Load() {
					longest.Store(d)
				}
			}
		})
	}
	<-time.After(100 * time.Millisecond)
	_ = servers[0].Close()
	<-time.After(200 * time.Millisecond)
	close(stop)
	wg.Wait()
	return time.Duration(longest.Load())
}

// BenchmarkMemoryOverhead reports what an entry of 2 kB costs beside key and value.
func BenchmarkMemoryOverhead(b *testing.B) {
	const n = 100_000
	for range b.N {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		st := ds104.NewMemory(&ds104.MemoryOptions{Side: ds104.SideA, History: 1, HistoryBytes: 1})
		value := make([]byte, 2048)
		keys := 0
		for i := range n {
			key := benchKey(int(rand.Int32()))
			keys += len(key)
			if _, err := st.Put(b.Context(), key, value, ds104.PutOptions{TTL: time.Hour, Origin: "c"}); err != nil {
				b.Fatal(i, err)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc)-int64(keys)-n*int64(len(value)))/n, "B/entry")
		_ = st.Close()
	}
}
