package connects_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/connects-go/connects"
	"github.com/connects-go/connects/ici/icitest"
)

// freeAddress is an address of this machine that nobody listens on right now.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func TestConsoleOfTheConnector(t *testing.T) {
	t.Parallel()
	addr := freeAddress(t)
	l := newLab(t, nil)
	_, at := l.connector(func(cfg *connects.CRMConfig) { cfg.Console = addr })
	l.callAndAccept(l.logon(l.sap(&icitest.Config{Connector: "http://" + at + "/", AnonymousNumbers: []string{"5001"}})))
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "help\nstatus\nagents\nagents nobody\ncalls\nstats\nreload\nnonsense\nquit\n"); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, want := range []string{"status", "ACTIVE", "logged on 1", "1001", `"LoggedOn": 1`, "languages read", "error"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "pw1001") || strings.Contains(text, "5550100") {
		t.Errorf("the console shows a password or a customer's number:\n%s", text)
	}
}
