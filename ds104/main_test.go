package ds104_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/connects-go/connects/internal/leaktest"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(killEnv); path != "" { // this is the writer of TestKilledWriter
		if err := writeUntilKilled(path); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	// Those that are parallel wait for disks, processes and clocks more than for the processor.
	flag.Parse()
	if n := flag.Lookup("test.parallel"); n.Value.String() == n.DefValue {
		_ = n.Value.Set("8")
	}
	leaktest.Main(m)
}
