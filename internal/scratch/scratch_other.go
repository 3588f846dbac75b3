//go:build !windows

package scratch

import "os"

func create(dir, pattern string) (*os.File, error) { return os.CreateTemp(dir, pattern) }
