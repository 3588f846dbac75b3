package ds104_test

import (
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
	leaktest.Main(m)
}
