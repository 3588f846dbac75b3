package outboundcsv_test

import (
	"os"
	"testing"

	"github.com/connects-go/connects/internal/leaktest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(placeEnv); dir != "" { // this is the process that a test kills
		placeUntilKilled(dir)
		return
	}
	leaktest.Main(m)
}
