package ds104

import (
	"crypto/cipher"
	stderrors "errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/pkg/errors"
)

// Files of a Log:
//
//	lock         held while the store is open
//	N.log        changes, segment N (16 hexadecimal digits)
//	N.base       everything that the segments before N have said
//	N.spare      a segment for further use
//	*.new        not finished; removed at the next start
const (
	lockName  = "lock"
	extLog    = ".log"
	extBase   = ".base"
	extSpare  = ".spare"
	extNew    = ".new"
	maxSpares = 6
)

// Sizes of segments: the first ones are small, for small stores.
const (
	minSegment = 1 << 20
	maxSegment = 32 << 20
	zeroChunk  = 1 << 20
)

// logDir is the directory of a Log.
type logDir struct {
	path string
	lock *os.File
	seal cipher.AEAD
	max  int64 // size of a segment

	mu     sync.Mutex
	last   uint64 // number of the newest segment
	size   int64  // of the next one
	spares []spare
}

// spare is a file for further use.
type spare struct {
	name string
	size int64
}

func fileName(n uint64, ext string) string { return fmt.Sprintf("%016x%s", n, ext) }

func (d *logDir) file(n uint64, ext string) string { return filepath.Join(d.path, fileName(n, ext)) }

// openDir makes the directory if need be, takes the lock and lists what is there.
func openDir(path string) (d *logDir, logs, bases []uint64, err error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, nil, nil, errors.Wrap(err, "ds104: open")
	}
	d = &logDir{path: path}
	if d.lock, err = lockFile(filepath.Join(path, lockName)); err != nil {
		return nil, nil, nil, err
	}
	if logs, bases, err = d.list(); err != nil {
		_ = d.close()
		return nil, nil, nil, errors.Wrap(err, "ds104: open")
	}
	return d, logs, bases, nil
}

func (d *logDir) list() (logs, bases []uint64, err error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		n, err := strconv.ParseUint(strings.TrimSuffix(e.Name(), ext), 16, 64)
		switch {
		case ext == extNew:
			if err := os.Remove(filepath.Join(d.path, e.Name())); err != nil {
				return nil, nil, err
			}
		case err != nil || len(e.Name()) != 16+len(ext):
		case ext == extLog:
			logs = append(logs, n)
		case ext == extBase:
			bases = append(bases, n)
		case ext == extSpare:
			if st, err := e.Info(); err == nil {
				d.spares = append(d.spares, spare{e.Name(), st.Size()})
			}
		default:
			continue
		}
		if err == nil {
			d.last = max(d.last, n)
		}
	}
	slices.Sort(logs)
	slices.Sort(bases)
	return logs, bases, nil
}

// newSegment makes the next segment, with room for a record of need bytes: a spare one
// where the disk has nothing but to write, or a new one full of zeros. When urgent
// says so, the zeros are left to the disk.
func (d *logDir) newSegment(need int64, urgent func() bool) (*segment, error) {
	d.mu.Lock()
	d.last++
	need += segmentHead + segmentReserve
	s := &segment{number: d.last}
	best := -1
	for i, sp := range d.spares {
		if sp.size >= need && (best < 0 || sp.size > d.spares[best].size) {
			best = i
		}
	}
	old := spare{}
	if best >= 0 {
		old, s.size = d.spares[best], d.spares[best].size
		d.spares = slices.Delete(d.spares, best, best+1)
	} else {
		s.size = max(min(d.size, d.max), need)
		d.size = min(2*d.size, d.max)
	}
	d.mu.Unlock()
	if err := d.begin(s, old, urgent); err != nil {
		return nil, errors.Wrap(err, "ds104: new segment")
	}
	return s, nil
}

// begin makes the file of a segment, from a spare one unless that is zero. It has its name
// when it is whole.
func (d *logDir) begin(s *segment, old spare, urgent func() bool) (err error) {
	name := d.file(s.number, extLog)
	if old.name != "" {
		from := filepath.Join(d.path, old.name)
		// Its old name has to be off the disk before its content changes.
		if err = syncDir(d.path); err != nil {
			return err
		}
		if s.f, err = os.OpenFile(from, os.O_RDWR, 0o600); err == nil {
			// The new head makes the old blocks void before the file is a segment.
			err = stderrors.Join(s.writeHead(d.seal), s.f.Sync(), os.Rename(from, name))
		}
	} else {
		fresh := d.file(s.number, extNew)
		if s.f, err = os.OpenFile(fresh, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
			if err = fillZero(s.f, s.size, urgent); err == nil {
				err = stderrors.Join(s.writeHead(d.seal), s.f.Sync(), os.Rename(fresh, name))
			}
			if err != nil {
				_ = os.Remove(fresh)
			}
		}
	}
	if err == nil {
		err = syncDir(d.path)
	}
	if err != nil && s.f != nil {
		_ = s.f.Close()
	}
	return err
}

// fillZero takes room for a file and writes zeros, so that later flushes change no
// sizes and no maps of blocks.
func fillZero(f *os.File, size int64, urgent func() bool) error {
	if err := reserve(f, size); err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		return err
	}
	zeros := make([]byte, zeroChunk)
	for off := int64(0); off < size; off += zeroChunk {
		if st.Size() == size && urgent() {
			break
		}
		if _, err := f.WriteAt(zeros[:min(zeroChunk, size-off)], off); err != nil {
			return err
		}
	}
	return nil
}

// putSpare keeps a segment that was never used for later.
func (d *logDir) putSpare(s *segment) {
	_ = s.f.Close()
	d.recycle(s.number)
}

// recycle takes a segment out of use. Its blocks stay readable until it is taken again,
// so its name has to go first.
func (d *logDir) recycle(n uint64) {
	name := d.file(n, extLog)
	st, err := os.Stat(name)
	if err != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if st.Size() > 2*d.max || os.Rename(name, d.file(n, extSpare)) != nil {
		_ = os.Remove(name)
		return
	}
	d.spares = append(d.spares, spare{fileName(n, extSpare), st.Size()})
	if len(d.spares) > maxSpares { // the smallest goes
		least := 0
		for i, sp := range d.spares {
			if sp.size < d.spares[least].size {
				least = i
			}
		}
		_ = os.Remove(filepath.Join(d.path, d.spares[least].name))
		d.spares = slices.Delete(d.spares, least, least+1)
	}
}

// recycleBefore takes all segments before one out of use.
func (d *logDir) recycleBefore(n uint64) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return // at the next start
	}
	for _, e := range entries {
		old, err := strconv.ParseUint(strings.TrimSuffix(e.Name(), extLog), 16, 64)
		if err == nil && old < n && e.Name() == fileName(old, extLog) {
			d.recycle(old)
		}
	}
}

// remove removes a file that is not needed any more.
func (d *logDir) remove(n uint64, ext string) { _ = os.Remove(d.file(n, ext)) }

// diskSize returns the size of all files.
func (d *logDir) diskSize() (n int64) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return 0
	}
	for _, e := range entries {
		if st, err := e.Info(); err == nil {
			n += st.Size()
		}
	}
	return n
}

func (d *logDir) close() error { return d.lock.Close() }
