package gatewaytest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// Options choose how the gateway behaves. Nil and the zero value: a Unicode gateway
// on a little-endian machine, header version 2, whole calls in frames of 28,000 bytes.
type Options struct {
	CodePage  string // of the answer to a registration; default 4103
	Version3  bool   // answer with the 80-byte header
	FrameSize int    // data bytes in a frame; default 28,000
	Ping      bool   // NI_PING and SAP_PING before each call
	// CloseAfter closes the connection after each answer.
	CloseAfter bool
	// WantD0 wants D0 after an answer and sends REGTP before the next call.
	WantD0 bool
	// ReturnCode refuses registrations; ErrorFrame does it with an error block.
	ReturnCode uint32
	ErrorFrame string
}

// Gateway is a simulated gateway. Its methods are safe for concurrent use.
type Gateway struct {
	o Options

	mu       sync.Mutex
	ln       net.Listener
	conns    map[net.Conn]bool
	programs map[string]chan *job
	regs     int
	problems []string
	changed  chan struct{}
	closed   bool
	convs    int
	wg       sync.WaitGroup
}

type job struct {
	call   *Call
	ctx    context.Context
	answer chan result
}

type result struct {
	a   *Answer
	err error
}

// ErrLost: the program's connection ended before its answer.
var ErrLost = errors.New("gatewaytest: COMMUNICATION_FAILURE")

// New returns a gateway.
func New(o *Options) *Gateway {
	g := &Gateway{conns: map[net.Conn]bool{}, programs: map[string]chan *job{}, changed: make(chan struct{})}
	if o != nil {
		g.o = *o
	}
	if g.o.CodePage == "" {
		g.o.CodePage = "4103"
	}
	if g.o.FrameSize == 0 {
		g.o.FrameSize = 28_000
	}
	return g
}

// Serve takes connections until Close.
func (g *Gateway) Serve(ln net.Listener) error {
	g.mu.Lock()
	g.ln = ln
	g.mu.Unlock()
	for {
		c, err := ln.Accept()
		if err != nil {
			g.mu.Lock()
			defer g.mu.Unlock()
			if g.closed {
				return nil
			}
			return err
		}
		g.mu.Lock()
		if g.closed {
			g.mu.Unlock()
			_ = c.Close()
			return nil
		}
		g.conns[c] = true
		g.wg.Go(func() {
			g.serve(c)
			_ = c.Close()
			g.mu.Lock()
			delete(g.conns, c)
			g.mu.Unlock()
		})
		g.mu.Unlock()
	}
}

// Close ends the gateway and waits for its connections.
func (g *Gateway) Close() {
	g.mu.Lock()
	g.closed = true
	if g.ln != nil {
		_ = g.ln.Close()
	}
	g.mu.Unlock()
	g.Cut()
	g.wg.Wait()
}

// Cut drops all connections, as a restart of the gateway does.
func (g *Gateway) Cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		_ = c.Close()
	}
}

// Registrations returns how often a program has registered.
func (g *Gateway) Registrations() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.regs
}

// Problems are what programs did against the published protocol.
func (g *Gateway) Problems() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.problems...)
}

func (g *Gateway) problem(format string, args ...any) {
	g.mu.Lock()
	g.problems = append(g.problems, fmt.Sprintf(format, args...))
	g.mu.Unlock()
}

// queue is where calls of a program wait.
func (g *Gateway) queue(program string) chan *job {
	g.mu.Lock()
	defer g.mu.Unlock()
	q := g.programs[program]
	if q == nil {
		q = make(chan *job)
		g.programs[program] = q
	}
	return q
}

// Call calls a function of a registered program; it waits for a free registration.
func (g *Gateway) Call(ctx context.Context, program string, c *Call) (*Answer, error) {
	j := &job{c, ctx, make(chan result, 1)}
	select {
	case g.queue(program) <- j:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: no registration of %s", ErrLost, program)
	}
	select {
	case r := <-j.answer:
		return r.a, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func read(c net.Conn) ([]byte, error) {
	for {
		var n [4]byte
		if _, err := io.ReadFull(c, n[:]); err != nil {
			return nil, err
		}
		b := make([]byte, binary.BigEndian.Uint32(n[:]))
		if _, err := io.ReadFull(c, b); err != nil {
			return nil, err
		}
		if string(b) == "NI_PONG\x00" {
			continue
		}
		return b, nil
	}
}

func write(c net.Conn, b []byte) error {
	_, err := c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
	return err
}

// header is an APPC header of the gateway.
func header(function byte, conv string) []byte {
	b := make([]byte, 80)
	b[0], b[1], b[2] = 6, function, 7
	copy(b[40:48], conv)
	return b
}

func (g *Gateway) serve(c net.Conn) {
	program, ok := g.register(c)
	if !ok {
		return
	}
	first := true
	for {
		// The program says that it accepts; with D0 it waits to be registered again.
		if first || !g.o.WantD0 {
			b, err := read(c)
			if err != nil {
				return
			}
			if len(b) == 80 && b[1] == 0xD0 {
				return // it unregisters
			}
			if len(b) != 80 || b[1] != 0xD1 || b[39] != 1 {
				g.problem("want SAP_ACCPTP, have %d bytes of function %02X", len(b), b[1])
				return
			}
		}
		if first {
			g.mu.Lock()
			g.regs++
			g.mu.Unlock()
		}
		first = false
		j := g.next(c, program)
		if j == nil {
			return
		}
		a, more, err := g.call(c, j.call)
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrLost, err)
		}
		j.answer <- result{a, err}
		if err != nil || !more {
			return
		}
	}
}

// next waits for a call; nil when the connection ends.
func (g *Gateway) next(c net.Conn, program string) *job {
	// A waiting program sends nothing; what can be read is its end. The reader is
	// ended by a deadline when a call comes.
	end := make(chan error, 1)
	g.wg.Go(func() {
		_, err := c.Read(make([]byte, 1))
		end <- err
	})
	select {
	case <-end:
		return nil
	case j := <-g.queue(program):
		_ = c.SetReadDeadline(time.Unix(1, 0))
		err := <-end
		_ = c.SetReadDeadline(time.Time{})
		if !isTimeout(err) {
			j.answer <- result{nil, fmt.Errorf("%w: %w", ErrLost, err)}
			return nil
		}
		return j
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// register takes the request and the block with the names.
func (g *Gateway) register(c net.Conn) (program string, ok bool) {
	b, err := read(c)
	if err != nil {
		return "", false
	}
	if len(b) != 64 || b[0] != 2 || b[1] != 0x0B || string(b[20:24]) != "1100" || b[54] != 6 || b[55] != 0xCB {
		g.problem("no GW_REGISTER_TP: % X", b[:min(len(b), 64)])
		return "", false
	}
	if g.o.ErrorFrame != "" {
		h := header(0xCF, "")
		binary.BigEndian.PutUint16(h[8:], uint16(len(g.o.ErrorFrame)))
		binary.BigEndian.PutUint32(h[32:], 20)
		_ = write(c, append(h, g.o.ErrorFrame...))
		return "", false
	}
	a := append([]byte(nil), b...)
	copy(a[20:24], g.o.CodePage)
	a[29], a[55] = 0x0F, 0xFB
	if g.o.Version3 {
		a[0] = 3
		a = append(a[:58:58], append(make([]byte, 16), a[58:]...)...)
		binary.BigEndian.PutUint32(a[74:], g.o.ReturnCode)
	} else {
		binary.BigEndian.PutUint32(a[58:], g.o.ReturnCode)
	}
	if write(c, a) != nil || g.o.ReturnCode != 0 {
		return "", false
	}
	if b, err = read(c); err != nil {
		return "", false
	}
	if len(b) != 512 {
		g.problem("block of %d bytes, want 512", len(b))
		return "", false
	}
	program, _, _ = strings.Cut(string(b[128:193]), "\x00")
	return program, true
}

// call sends a call and reads the answer.
func (g *Gateway) call(c net.Conn, call *Call) (a *Answer, more bool, err error) {
	g.mu.Lock()
	g.convs++
	conv := fmt.Sprintf("%08d", 10_000_000+g.convs)
	g.mu.Unlock()
	if g.o.Ping {
		if err := write(c, []byte("NI_PING\x00")); err != nil {
			return nil, false, err
		}
		if err := write(c, header(0xCE, "")); err != nil {
			return nil, false, err
		}
	}
	if err := write(c, append(header(0xCF, conv), make([]byte, 45)...)); err != nil { // 125 bytes were seen
		return nil, false, err
	}
	data := call.Raw
	if data == nil {
		data = call.stream(g.o.CodePage == "4102")
	}
	if call.CutAfter > 0 {
		data = data[:min(call.CutAfter, len(data))]
	}
	for i := 0; i < len(data); i += g.o.FrameSize {
		fn := byte(0x03)
		if i > 0 {
			fn = 0x08
		}
		if err := write(c, append(header(fn, conv), data[i:min(i+g.o.FrameSize, len(data))]...)); err != nil {
			return nil, false, err
		}
	}
	if call.CutAfter > 0 {
		return nil, false, errors.New("cut by the test")
	}
	var answer []byte
	for {
		b, err := read(c)
		if err != nil {
			return nil, false, err
		}
		if len(b) < 80 || b[0] != 6 || string(b[40:48]) != conv {
			return nil, false, fmt.Errorf("answer with conversation %q, want %q", b[40:48], conv)
		}
		if b[1] == 0x0B {
			break
		}
		if b[1] != 0x08 || int(binary.BigEndian.Uint32(b[48:])) != len(b)-80 || binary.BigEndian.Uint32(b[76:]) != 0xFFFF0001 {
			g.problem("no ASEND_DATA: % X", b[:80])
			return nil, false, errors.New("bad answer")
		}
		answer = append(answer, b[80:]...)
	}
	if a, err = parseAnswer(answer, g.o.CodePage == "4102"); err != nil {
		return nil, false, err
	}
	if g.o.CloseAfter {
		return a, false, nil
	}
	// UNACCPTP, and with D0 the wish to be registered again. A program that
	// reconnects closes here.
	b, err := read(c)
	if err != nil {
		return a, false, nil
	}
	if b[1] == 0xD0 {
		return a, false, nil // it unregisters
	}
	if b[1] != 0xD2 {
		g.problem("function %02X, want UNACCPTP", b[1])
	}
	if g.o.WantD0 {
		if b, err = read(c); err != nil || b[1] != 0xD0 {
			return a, false, err
		}
		g.mu.Lock()
		g.regs++
		g.mu.Unlock()
	}
	return a, true, nil
}
