package spool_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/connects-go/connects/internal/leaktest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killEnv); dir != "" { // this is the process that TestKilled kills
		if err := acceptUntilKilled(dir); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		return
	}
	leaktest.Main(m)
}
