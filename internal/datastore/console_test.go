package datastore_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/internal/console"
	"github.com/connects-go/connects/internal/datastore"
)

// An operator copies a key from list to get and to expire, whatever bytes it has.
func TestConsoleNamesEveryKey(t *testing.T) {
	st := memory(t)
	server, err := ds104.NewServer(st, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	view := &datastore.View{Name: "store 1", Store: st, Server: server, Started: time.Now(),
		Partner: func() (datastore.Partner, bool) { return datastore.Partner{}, false }}
	c := console.New("store 1", view.Commands(), nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Serve(ln) }()
	defer func() { _ = c.Close(); <-ended }()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	r := bufio.NewReader(conn)
	answer := func() (lines []string) {
		t.Helper()
		for {
			if b, err := r.Peek(2); err == nil && string(b) == "> " {
				_, _ = r.Discard(2)
				return lines
			}
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, strings.TrimRight(line, "\r\n"))
		}
	}
	ask := func(line string) []string {
		t.Helper()
		if _, err := io.WriteString(conn, line+"\r\n"); err != nil {
			t.Fatal(err)
		}
		return answer()
	}
	answer() // the greeting
	all := ""
	for i := range 256 {
		all += string([]byte{byte(i)})
	}
	for _, key := range []string{
		"plain", "a key with  blanks", " ", "\t", `a "quoted" \ key`, `"`, "'", "schlüssel/Zürich/日本", "\u00a0\u3000\u202e", "\ufffd",
		all, all[128:] + all, strings.Repeat("\xff", ds104.MaxKey), strings.Repeat(" ", ds104.MaxKey),
	} {
		rev, err := st.Put(t.Context(), key, []byte("1234567"), ds104.PutOptions{})
		if err != nil {
			t.Fatal(err)
		}
		listed := ask("list")
		if len(listed) != 2 || listed[1] != "1 entries" {
			t.Fatalf("%q: list shows %q", key, listed)
		}
		words, err := console.Words(listed[0])
		if err != nil || len(words) < 2 || words[0] != key {
			t.Fatalf("%q: list shows %q, %v", key, listed[0], err)
		}
		shown, _, _ := strings.Cut(listed[0], "  7 bytes") // as an operator copies it
		if got := ask("list " + shown); len(got) != 2 || got[0] != listed[0] {
			t.Errorf("list %s: %q", shown, got)
		}
		if got := ask("get " + shown); len(got) < 3 || !strings.HasSuffix(got[0], " "+shown) || !strings.HasSuffix(got[2], fmt.Sprint(" ", rev)) {
			t.Errorf("get %s: %q", shown, got)
		}
		if got := ask("expire " + shown); len(got) != 1 || got[0] != "ended" {
			t.Errorf("expire %s: %q", shown, got)
		}
		if _, err := st.Get(t.Context(), key); !errors.Is(err, ds104.ErrNotFound) {
			t.Errorf("%q is still there: %v", key, err)
		}
	}
	for line, want := range map[string]string{
		"get a b": "give one key, in double quotes", "list a b": "give one prefix, in double quotes", `get "a`: "word 2", `get ""`: "not found", "expire": "give one key",
	} {
		if got := strings.Join(ask(line), "|"); !strings.HasPrefix(got, "error: ") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want an error with %q", line, got, want)
		}
	}
}
