package console_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/connects-go/connects/internal/console"
	"github.com/connects-go/connects/internal/leaktest"
	"github.com/connects-go/connects/internal/testnet"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func start(t *testing.T, ln net.Listener) *console.Console {
	t.Helper()
	c := console.New("test", []console.Command{
		{Name: "echo", Args: "<word>...", Help: "says it again", Run: func(_ context.Context, w io.Writer, args []string) error {
			_, err := fmt.Fprintf(w, "%s\nsecond line\n", strings.Join(args, "|"))
			return err
		}},
		{Name: "fail", Help: "fails", Run: func(context.Context, io.Writer, []string) error { return errors.New("as asked") }},
	}, nil)
	ended := make(chan error, 1)
	go func() { ended <- c.Serve(ln) }()
	t.Cleanup(func() {
		_ = c.Close()
		if err := <-ended; !errors.Is(err, console.ErrClosed) {
			t.Error(err)
		}
	})
	return c
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// talk sends lines and returns everything that comes until the end.
func talk(t *testing.T, ln net.Listener, send string) string {
	t.Helper()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, send); err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(bufio.NewReader(conn))
	return string(b)
}

func TestSession(t *testing.T) {
	ln := listen(t)
	start(t, ln)
	got := talk(t, ln, "echo  a b\r\n\r\n\xff\xfb\x1fecho \x07c\nfail\nnonsense\necho \"a \\x62\"\r\necho \"a\nhelp\nquit\nnot read")
	want := "test; help shows the commands\r\n> a|b\r\nsecond line\r\n> > c\r\nsecond line\r\n> error: as asked\r\n" +
		"> error: no command \"nonsense\"; try help\r\n> a b\r\nsecond line\r\n" +
		"> error: word 2: no string that ends with a double quote, with the escapes of Go\r\n> echo <word>...           says it again\r\n" +
		"fail                     fails\r\nhelp                     this list\r\nquit                     end the session\r\n" +
		"A word with blanks or odd bytes stands in double quotes, with escapes as in Go: \"a \\\"b\\\" \\xff\"\r\n> "
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestLongLineEndsTheSession(t *testing.T) {
	ln := listen(t)
	start(t, ln)
	if got := talk(t, ln, strings.Repeat("x", console.MaxLine)); !strings.Contains(got, "line too long") {
		t.Errorf("%q", got)
	}
}

func TestSessionsAreLimited(t *testing.T) {
	ln := listen(t)
	start(t, ln)
	for range console.MaxSessions {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if got := talk(t, ln, ""); got != "too many sessions\r\n" {
		t.Errorf("%q", got)
	}
}

func TestForeignAddressIsRefused(t *testing.T) {
	n := testnet.New() // its addresses are names, none of them loopback
	ln, err := n.Listen("console:1")
	if err != nil {
		t.Fatal(err)
	}
	start(t, ln)
	conn, err := n.DialContext(t.Context(), "tcp", "console:1")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if b, err := io.ReadAll(conn); string(b) != "this console is for its own machine\r\n" {
		t.Errorf("%q, %v", b, err)
	}
}
