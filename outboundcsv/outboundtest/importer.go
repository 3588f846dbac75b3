package outboundtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Importer is the import process of a Logger with file polling: it takes a file
// as soon as it has its name, and renames or deletes it. Its methods are safe for
// concurrent use.
type Importer struct {
	Dir, Name string
	// Delete removes files; otherwise .001, .002, ... is appended.
	Delete bool

	mu    sync.Mutex
	files [][]byte
}

// Take takes the file that is there now, and reports whether there was one.
func (i *Importer) Take() (bool, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	path := filepath.Join(i.Dir, i.Name)
	// Renaming first makes reading safe from a writer that takes the file back.
	mine := filepath.Join(i.Dir, fmt.Sprintf("%s.%03d", i.Name, len(i.files)+1))
	if err := os.Rename(path, mine); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	b, err := os.ReadFile(mine)
	if err != nil {
		return false, err
	}
	i.files = append(i.files, b)
	if i.Delete {
		return true, os.Remove(mine)
	}
	return true, nil
}

// Run takes files until ctx ends, looking at every interval.
func (i *Importer) Run(ctx context.Context, interval time.Duration) error {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		if _, err := i.Take(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// Files returns the contents of all files taken so far, in order.
func (i *Importer) Files() [][]byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.files)
}
