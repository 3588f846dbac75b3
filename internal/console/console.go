// Package console is a console for operators: lines of text over TCP, from this
// machine only, as telnet or nc speak it.
//
//	c := console.New("data store", []console.Command{{
//		Name: "status", Help: "how it goes", Run: func(ctx context.Context, w io.Writer, args []string) error {
//			_, err := fmt.Fprintln(w, "fine")
//			return err
//		},
//	}}, nil)
//	err := c.Serve(ln)
//
// A line is a command and its arguments, parted by blanks; [Words] says how an argument
// holds blanks or any byte. "help" and "quit" are there by themselves. A peer whose address is not a loopback
// address is refused, wherever the listener listens. There is no authentication: who
// is on the machine may use it.
package console

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"
)

// Limits of a console.
const (
	MaxLine     = 4096
	MaxSessions = 8
	IdleTimeout = 15 * time.Minute
	writeTime   = 30 * time.Second
)

// ErrClosed is returned by Serve after Close.
var ErrClosed = errors.New("console: closed")

// Command is one word of the console.
type Command struct {
	Name string
	Args string // shown by help, for example "<key>"
	Help string // one line
	// Run writes the answer to w; its error is shown as "error: ...". It may be called
	// from several sessions at once. ctx ends with the session.
	Run func(ctx context.Context, w io.Writer, args []string) error
}

// Console serves commands.
type Console struct {
	name     string
	commands []Command
	log      *slog.Logger
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup

	mu       sync.Mutex
	ln       []net.Listener
	sessions map[net.Conn]bool
	closed   bool
}

// New returns a console; a nil logger discards what is logged.
func New(name string, commands []Command, logger *slog.Logger) *Console {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	c := &Console{name: name, commands: commands, log: logger, sessions: map[net.Conn]bool{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Serve accepts sessions until the console is closed, and closes the listener.
func (c *Console) Serve(ln net.Listener) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		_ = ln.Close()
		return ErrClosed
	}
	c.ln = append(c.ln, ln)
	c.mu.Unlock()
	defer ln.Close()
	for {
		conn, err := ln.Accept()
		if err != nil {
			if c.ctx.Err() != nil {
				return ErrClosed
			}
			return err
		}
		if why := c.admit(conn); why != "" {
			_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = io.WriteString(conn, why+"\r\n")
			_ = conn.Close()
		}
	}
}

// admit starts a session or says why not.
func (c *Console) admit(conn net.Conn) string {
	if !local(conn.RemoteAddr()) {
		c.log.Warn("console: foreign address refused", "remote", conn.RemoteAddr().String())
		return "this console is for its own machine"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return "closing"
	case len(c.sessions) >= MaxSessions:
		return "too many sessions"
	}
	c.sessions[conn] = true
	c.wg.Go(func() {
		c.session(conn)
		_ = conn.Close()
		c.mu.Lock()
		delete(c.sessions, conn)
		c.mu.Unlock()
	})
	return ""
}

func local(a net.Addr) bool {
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// timed gives every write its time.
type timed struct{ net.Conn }

func (t timed) Write(b []byte) (int, error) {
	_ = t.SetWriteDeadline(time.Now().Add(writeTime))
	return t.Conn.Write(b)
}

func (c *Console) session(conn net.Conn) {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	w := bufio.NewWriter(timed{conn})
	r := bufio.NewReaderSize(conn, MaxLine)
	fmt.Fprintf(w, "%s; help shows the commands\r\n", c.name)
	for {
		fmt.Fprint(w, "> ")
		if w.Flush() != nil {
			return
		}
		_ = conn.SetReadDeadline(time.Now().Add(IdleTimeout))
		line, err := r.ReadSlice('\n')
		if err != nil {
			if errors.Is(err, bufio.ErrBufferFull) {
				fmt.Fprint(w, "error: line too long\r\n")
				_ = w.Flush()
			}
			return
		}
		words, err := Words(printable(line))
		if err != nil {
			fmt.Fprintf(w, "error: %v\r\n", err)
		}
		if len(words) == 0 {
			continue
		}
		switch words[0] {
		case "quit", "exit":
			return
		case "help", "?":
			c.help(w)
		default:
			if err := c.run(ctx, &lines{w: w, sent: time.Now()}, words); err != nil {
				fmt.Fprintf(w, "error: %v\r\n", err)
			}
		}
	}
}

// flushAfter is how long the answer of a slow command is held back.
const flushAfter = 500 * time.Millisecond

// lines ends lines as telnet wants it. Who asked sees a slow command at work.
type lines struct {
	w    *bufio.Writer
	sent time.Time
}

func (l *lines) Write(b []byte) (int, error) {
	_, err := l.w.WriteString(strings.ReplaceAll(string(b), "\n", "\r\n"))
	if err == nil && time.Since(l.sent) > flushAfter {
		err = l.w.Flush()
		l.sent = time.Now()
	}
	return len(b), err
}

func (c *Console) run(ctx context.Context, w io.Writer, words []string) error {
	for _, cmd := range c.commands {
		if cmd.Name == words[0] {
			return cmd.Run(ctx, w, words[1:])
		}
	}
	return fmt.Errorf("no command %q; try help", words[0])
}

func (c *Console) help(w *bufio.Writer) {
	all := append(append([]Command(nil), c.commands...), Command{Name: "help", Help: "this list"}, Command{Name: "quit", Help: "end the session"})
	for _, cmd := range all {
		fmt.Fprintf(w, "%-24s %s\r\n", strings.TrimSpace(cmd.Name+" "+cmd.Args), cmd.Help)
	}
	fmt.Fprint(w, `A word with blanks or odd bytes stands in double quotes, with escapes as in Go: "a \"b\" \xff"`, "\r\n")
}

// Close ends the listeners and all sessions and waits for them.
func (c *Console) Close() error {
	c.cancel()
	c.mu.Lock()
	c.closed = true
	for _, ln := range c.ln {
		_ = ln.Close()
	}
	for conn := range c.sessions {
		_ = conn.Close()
	}
	c.mu.Unlock()
	c.wg.Wait()
	return nil
}
