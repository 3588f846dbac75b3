package outboundcsv

import (
	stderrors "errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pkg/errors"
)

// ErrWaiting: a file of that name is in the directory, so the importer has not
// taken the last list yet. Nothing was changed.
var ErrWaiting = stderrors.New("outboundcsv: the last file was not imported yet")

// Place puts a file into a directory that an import rule watches, whole or not
// at all: it is written under another name there, flushed to the disk and then
// given its name. A file that is already there is never replaced ([ErrWaiting]).
// write returns false when there is nothing to place; then no file appears.
// Placed reports whether the file is there.
//
// A process that is killed leaves its hidden file; the next Place into the directory
// removes those that no process holds. A lock that ends with the process tells that, so
// on a network disk that does not pass locks on, only one machine may place files.
func Place(dir, name string, write func(io.Writer) (bool, error)) (placed bool, err error) {
	if name == "" || name != filepath.Base(name) || strings.ContainsAny(name, `/\:`) || name == "." || name == ".." {
		return false, &ProfileError{Key: "name", Want: "a file name without directories"}
	}
	sweepParts(dir)
	target := filepath.Join(dir, name)
	if _, err := os.Lstat(target); err == nil {
		return false, ErrWaiting
	}
	f, err := createPart(dir, name)
	if err != nil {
		return false, err
	}
	defer func() {
		if e := f.end(); err == nil {
			err = e
		}
	}()
	any, err := write(f)
	if err != nil || !any {
		return false, err
	}
	if err := f.Chmod(0o644); err != nil {
		return false, errors.Wrap(err, "outboundcsv: place")
	}
	if err := f.Sync(); err != nil {
		return false, errors.Wrap(err, "outboundcsv: place")
	}
	if err := f.Close(); err != nil {
		return false, errors.Wrap(err, "outboundcsv: place")
	}
	if err := rename(f.Name(), target); err != nil {
		return false, err
	}
	return true, syncDir(dir)
}

// rename gives the file its name unless the name is taken. A hard link does
// that in one step; where there are none, a look before the rename has to do.
func rename(from, to string) error {
	err := os.Link(from, to)
	switch {
	case err == nil:
		return nil
	case stderrors.Is(err, fs.ErrExist):
		return ErrWaiting
	}
	if _, err := os.Lstat(to); err == nil {
		return ErrWaiting
	}
	return errors.Wrap(os.Rename(from, to), "outboundcsv: place")
}

// syncDir makes the new name durable. Systems that cannot flush a directory say
// so with an error that means nothing here.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return errors.Wrap(err, "outboundcsv: place")
	}
	defer d.Close()
	_ = d.Sync()
	return nil
}
