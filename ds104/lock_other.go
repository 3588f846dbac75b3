//go:build !unix && !windows

package ds104

import (
	"errors"
	"os"
)

func lockFile(string) (*os.File, error) {
	return nil, errors.New("ds104: Log: no file locks on this system")
}

func syncDir(string) error { return nil }
