package outboundcsv

import (
	stderrors "errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/pkg/errors"
)

// partName is what the hidden files of Place are called; those of package spool, which
// only it may remove, have other names.
var partName = regexp.MustCompile(`^\..*\.once-[0-9]+\.part$`)

// partTries bounds how often another process may sweep a name away that is not held yet.
const partTries = 10

// hidden is a file that is being written under a hidden name. It is held until the end,
// so that no other process takes it for one that was left behind.
type hidden struct {
	*os.File
	hold *os.File // nil where files cannot be held
}

func createPart(dir, name string) (*hidden, error) {
	for range partTries {
		f, err := os.CreateTemp(dir, "."+name+".once-*.part")
		if err != nil {
			return nil, errors.Wrap(err, "outboundcsv: place")
		}
		p := &hidden{File: f}
		free := true
		if p.hold, free = holdFile(f.Name()); free && p.there() {
			return p, nil
		}
		p.release()
		if err := f.Close(); err != nil {
			return nil, errors.Wrap(err, "outboundcsv: place")
		}
	}
	return nil, errors.Wrap(fs.ErrExist, "outboundcsv: place: the file is swept away again and again")
}

// there reports whether the name is still that of the file: between its creation and
// the hold another process may have removed it.
func (p *hidden) there() bool {
	a, err := p.Stat()
	if err != nil {
		return false
	}
	b, err := os.Lstat(p.Name())
	return err == nil && os.SameFile(a, b)
}

func (p *hidden) release() {
	if p.hold != nil {
		p.hold.Close()
	}
}

// end closes the file and removes its hidden name, if it has that still.
func (p *hidden) end() error {
	defer p.release()
	p.Close() // it is closed already unless something failed
	if err := os.Remove(p.Name()); err != nil && !stderrors.Is(err, fs.ErrNotExist) {
		return errors.Wrap(err, "outboundcsv: place")
	}
	return nil
}

// sweepParts removes files that a process left behind which was killed while it placed.
// What cannot be removed does no harm, and stays for the next time.
func sweepParts(dir string) {
	es, err := os.ReadDir(dir)
	if err != nil {
		return // who writes there is told
	}
	for _, e := range es {
		if e.Type().IsRegular() && partName.MatchString(e.Name()) {
			removeAbandoned(filepath.Join(dir, e.Name()))
		}
	}
}
