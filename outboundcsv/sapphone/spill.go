package sapphone

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/pkg/errors"
)

// Spill keeps the rows of one table on disk while a call is received, so that the
// size of a list is no matter of memory and nothing is handed over before its end
// was seen. It is for transports and belongs to one goroutine.
type Spill struct {
	f   *os.File
	w   *bufio.Writer
	n   int
	buf []byte
}

// NewSpill makes an empty spill in dir; empty is the system's directory for temporary files.
// Errors of the disk, here and later, wrap [ErrBusy].
func NewSpill(dir string) (*Spill, error) {
	f, err := os.CreateTemp(dir, "rows-*.part")
	if err != nil {
		return nil, spillError(err)
	}
	return &Spill{f: f, w: bufio.NewWriterSize(f, 64<<10)}, nil
}

// Add appends a row.
func (s *Spill) Add(r Row) error {
	kind, b := byte(0), r.Raw
	if r.Raw == nil {
		var err error
		if b, err = json.Marshal(r.Fields); err != nil {
			return errors.Wrap(err, "sapphone: rows")
		}
		kind = 1
	}
	s.buf = append(binary.AppendUvarint(append(s.buf[:0], kind), uint64(len(b))), b...)
	s.n++
	_, err := s.w.Write(s.buf)
	return spillError(err)
}

// spillError is a failure of the disk: the caller may try again.
func spillError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrBusy, errors.Wrap(err, "rows"))
}

// Table returns the rows. Nothing may be added while they are read.
func (s *Spill) Table(width int) Table {
	return Table{Len: s.n, Width: width, Rows: s.rows()}
}

func (s *Spill) rows() iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		fail := func(err error) { yield(Row{}, spillError(err)) }
		if err := s.w.Flush(); err != nil {
			fail(err)
			return
		}
		if _, err := s.f.Seek(0, io.SeekStart); err != nil {
			fail(err)
			return
		}
		r := bufio.NewReaderSize(s.f, 64<<10)
		for range s.n {
			kind, err := r.ReadByte()
			if err != nil {
				fail(err)
				return
			}
			n, err := binary.ReadUvarint(r)
			if err != nil {
				fail(err)
				return
			}
			b := make([]byte, n)
			if _, err := io.ReadFull(r, b); err != nil {
				fail(err)
				return
			}
			row := Row{Raw: b}
			if kind == 1 {
				row = Row{}
				if err := json.Unmarshal(b, &row.Fields); err != nil {
					fail(err)
					return
				}
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

// Close removes the rows.
func (s *Spill) Close() error {
	err := s.f.Close()
	if e := os.Remove(s.f.Name()); err == nil {
		err = e
	}
	return errors.Wrap(err, "sapphone: rows")
}
