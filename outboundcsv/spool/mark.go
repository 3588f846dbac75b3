package spool

import (
	"crypto/rand"
	stderrors "errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pkg/errors"
)

// maxMark is the longest content of a mark that is read.
const maxMark = 64

// markPath is the file that tells the import directory from another one at the same
// path, such as the empty directory below a share that is not mounted. In that the import
// file is missing although nobody took it.
func (q *Queue) markPath() string { return filepath.Join(q.o.File.Dir, "."+q.o.File.Name+".queue") }

// readMark returns the mark of the directory; empty when it has none.
func (q *Queue) readMark() (string, error) {
	b, err := os.ReadFile(q.markPath())
	if stderrors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(b[:min(len(b), maxMark)])), errors.Wrap(err, "spool: import directory")
}

// mark returns the mark of the directory, and gives it one if it has none.
func (q *Queue) mark() (string, error) {
	m, err := q.readMark()
	if err != nil || m != "" {
		return m, err
	}
	m = rand.Text()
	part := q.markPath() + ".part"
	f, err := q.o.disk.Create(part)
	if err != nil {
		return "", errors.Wrap(err, "spool: import directory")
	}
	_, err = f.Write([]byte(m + "\n"))
	if err == nil {
		err = f.Sync()
	}
	if err = stderrors.Join(err, f.Close()); err == nil {
		err = os.Rename(part, q.markPath())
	}
	if err != nil {
		return "", errors.Wrap(stderrors.Join(err, os.Remove(part)), "spool: import directory")
	}
	return m, syncDir(q.o.File.Dir)
}

// here reports whether the import directory is the one that a list was placed in.
func (q *Queue) here(l *List) error {
	if l.Mark == "" {
		return nil // it was placed by a version that did not mark
	}
	if _, err := q.exists(q.markPath()); err != nil {
		return err
	}
	m, err := q.readMark()
	if err == nil && m != l.Mark {
		err = errors.WithMessage(ErrOtherDirectory, q.markPath())
	}
	return err
}
