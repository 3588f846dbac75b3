package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/connects-go/connects/internal/scratch"
	"github.com/connects-go/connects/outboundcsv"
)

// report is written as the list is: rejected rows and warnings go to two
// files without a name first, so that a million of them need no memory.
type report struct {
	path               string
	rejected, warnings part
}

type part struct {
	f *scratch.File
	w *bufio.Writer
	n int
}

func newReport(path string) (*report, error) {
	r := &report{path: path}
	for _, p := range []*part{&r.rejected, &r.warnings} {
		f, err := scratch.Create(filepath.Dir(path), "."+filepath.Base(path)+".*.part")
		if err != nil {
			r.discard()
			return nil, err
		}
		p.f, p.w = f, bufio.NewWriter(f)
	}
	return r, nil
}

// row takes the codes of one row.
func (r *report) row(id string, codes []outboundcsv.Code, rejected bool) error {
	key, err := json.Marshal(id)
	if err != nil {
		return err
	}
	list, err := json.Marshal(codes)
	if err != nil {
		return err
	}
	if rejected {
		return r.rejected.add(fmt.Sprintf(`{"id":%s,"codes":%s}`, key, list))
	}
	return r.warnings.add(fmt.Sprintf(`%s:%s`, key, list))
}

func (p *part) add(s string) error {
	if p.n++; p.n > 1 {
		s = ",\n" + s
	}
	_, err := p.w.WriteString(s)
	return err
}

// copyTo appends what was collected.
func (p *part) copyTo(w io.Writer) error {
	if err := p.w.Flush(); err != nil {
		return err
	}
	if _, err := p.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := io.Copy(w, p.f)
	return err
}

// finish writes the report. An empty file name means that no file was placed.
func (r *report) finish(res outboundcsv.Result, file string) (err error) {
	f, err := os.Create(r.path)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	placed := []byte("null")
	if file != "" {
		if placed, err = json.Marshal(file); err != nil {
			return err
		}
	}
	codes := []byte("[]")
	if len(res.Codes) > 0 {
		if codes, err = json.Marshal(res.Codes); err != nil {
			return err
		}
	}
	w := bufio.NewWriter(f)
	fmt.Fprintf(w, `{"rows":%d,"rejected":[`, res.Written)
	if err := r.rejected.copyTo(w); err != nil {
		return err
	}
	w.WriteString(`],"warnings":{`)
	if err := r.warnings.copyTo(w); err != nil {
		return err
	}
	fmt.Fprintf(w, `},"listCodes":%s,"file":%s}`+"\n", codes, placed)
	return w.Flush()
}

func (r *report) discard() {
	for _, p := range []*part{&r.rejected, &r.warnings} {
		if p.f != nil {
			p.f.Close()
		}
	}
}
