package main

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/connects-go/connects/cti"
)

const (
	maxProxyConns    = 64
	proxyDialTimeout = 10 * time.Second
	proxyWriteLimit  = 30 * time.Second
)

// proxy stands between a client and a server and prints one line per message.
func proxy(args []string, _ io.Reader, out, errs io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return runProxy(ctx, args, out, errs, nil)
}

// runProxy runs until ctx ends. listening, when set, gets the address that was bound.
func runProxy(ctx context.Context, args []string, out, errs io.Writer, listening func(net.Addr)) int {
	flags := flag.NewFlagSet("sniff proxy", flag.ContinueOnError)
	flags.SetOutput(errs)
	listen := flags.String("listen", "127.0.0.1:42927", "address to listen on; without a host it is 127.0.0.1")
	to := flags.String("to", "", "address of the server, for example 10.0.0.5:42027")
	protocol := flags.String("protocol", "cti", "protocol of the link: cti")
	version := flags.Uint("version", 0, "version of the protocol; 0 = what OPEN_REQ says")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	host, port, err := net.SplitHostPort(*listen)
	switch {
	case *protocol != "cti":
		fmt.Fprintf(errs, "sniff proxy: unknown protocol %q, have cti\n", *protocol)
	case *to == "":
		fmt.Fprintln(errs, "sniff proxy: -to is missing")
	case *version != 0 && (*version < uint(cti.MinVersion) || *version > uint(cti.MaxVersion)):
		fmt.Fprintf(errs, "sniff proxy: version %d is not between %v and %v\n", *version, cti.MinVersion, cti.MaxVersion)
	case err != nil:
		fmt.Fprintf(errs, "sniff proxy: -listen: %v\n", err)
	default:
		if host == "" {
			host = "127.0.0.1"
		}
		ln, err := net.Listen("tcp", net.JoinHostPort(host, port))
		if err != nil {
			fmt.Fprintf(errs, "sniff proxy: %v\n", err)
			return 1
		}
		fmt.Fprintf(errs, "listening on %s, connecting to %s\n", ln.Addr(), *to)
		if listening != nil {
			listening(ln.Addr())
		}
		p := &tap{to: *to, version: cti.Version(*version), out: out}
		p.serve(ctx, ln)
		return 0
	}
	return 2
}

// tap is a running proxy.
type tap struct {
	to      string
	version cti.Version // 0 = that of OPEN_REQ

	mu    sync.Mutex // of out
	out   io.Writer
	buf   []byte
	conns atomic.Int32
}

func (p *tap) serve(ctx context.Context, ln net.Listener) {
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	var work sync.WaitGroup
	defer work.Wait()
	for n := 1; ; n++ {
		conn, err := ln.Accept()
		if err != nil {
			if ctx.Err() == nil {
				p.line(n, "!", "accept: "+err.Error())
			}
			return
		}
		if p.conns.Add(1) > maxProxyConns {
			p.conns.Add(-1)
			p.line(n, "!", fmt.Sprintf("refused: more than %d connections", maxProxyConns))
			conn.Close()
			continue
		}
		work.Go(func() {
			defer p.conns.Add(-1)
			p.link(ctx, n, conn)
		})
	}
}

// link serves one connection of a client.
func (p *tap) link(ctx context.Context, n int, client net.Conn) {
	defer client.Close()
	d := net.Dialer{Timeout: proxyDialTimeout}
	server, err := d.DialContext(ctx, "tcp", p.to)
	if err != nil {
		p.line(n, "!", err.Error())
		return
	}
	defer server.Close()
	defer context.AfterFunc(ctx, func() {
		client.Close()
		server.Close()
	})()
	p.line(n, "-", fmt.Sprintf("connected %s to %s", client.RemoteAddr(), server.RemoteAddr()))

	var version atomic.Uint32
	version.Store(uint32(p.version))
	var work sync.WaitGroup
	work.Go(func() { p.flow(n, ">", client, server, &version) })
	work.Go(func() { p.flow(n, "<", server, client, &version) })
	work.Wait()
	p.line(n, "-", "closed")
}

// flow passes the bytes of one direction on as they come, and prints the messages in them. When
// the bytes are no messages (any more) they are still passed on.
func (p *tap) flow(n int, dir string, from, to net.Conn, version *atomic.Uint32) {
	defer to.Close() // the end of one direction is the end of the link
	src := io.TeeReader(from, timed{to})
	fr := cti.NewFrameReader(src, cti.MaxVersion)
	for {
		t, body, err := fr.Next()
		if err != nil {
			if errors.Is(err, cti.ErrTooLarge) {
				p.line(n, dir, "not understood from here on: "+err.Error())
				io.Copy(io.Discard, src)
			}
			return
		}
		if t == cti.TypeOpenReq && len(body) >= 8 && p.version == 0 {
			version.Store(min(binary.BigEndian.Uint32(body[4:]), 255))
		}
		v := cti.Version(version.Load())
		if !v.Valid() {
			p.line(n, dir, fmt.Sprintf("%v of %d bytes, version not known", t, cti.HeaderSize+len(body)))
			continue
		}
		m, err := cti.DecodeMessage(t, body, v)
		if err != nil {
			p.line(n, dir, fmt.Sprintf("%v of %d bytes: %v", t, cti.HeaderSize+len(body), err))
			continue
		}
		p.message(n, dir, m)
	}
}

// timed is a connection whose writes do not hang for ever.
type timed struct{ net.Conn }

func (c timed) Write(b []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(proxyWriteLimit))
	return c.Conn.Write(b)
}

func (p *tap) line(n int, dir, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begin(n, dir)
	p.buf = append(p.buf, text...)
	p.end()
}

// message prints a message; passwords are shown as asterisks.
func (p *tap) message(n int, dir string, m cti.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begin(n, dir)
	p.buf = cti.AppendText(p.buf, m)
	p.end()
}

func (p *tap) begin(n int, dir string) {
	p.buf = time.Now().AppendFormat(p.buf[:0], "15:04:05.000000")
	p.buf = fmt.Appendf(p.buf, " #%d %s ", n, dir)
}

func (p *tap) end() {
	p.buf = append(p.buf, '\n')
	_, _ = p.out.Write(p.buf)
}
