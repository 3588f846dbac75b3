package outboundcsv

import (
	"bufio"
	"context"
	"io"
	"iter"
	"os"
	"strings"
	"time"

	"github.com/pkg/errors"
)

// Options of [Export]. nil and the zero value are usable.
type Options struct {
	// SpoolDir is where rows wait while the list is read; empty is the system's
	// directory for temporary files. It needs about the size of the output.
	SpoolDir string
	// Now gives the year for which time zones are computed; nil is time.Now.
	Now func() time.Time
	// Row, when set, is told of every row that was rejected or has warnings, in
	// the order of the list. codes are sorted and belong to the callee.
	Row func(id string, codes []Code, rejected bool) error
	// Progress, when set, is called now and then with the rows read and written.
	Progress func(read, written int)
}

// Result is the outcome of one list.
type Result struct {
	Received int    // planned calls in the list, deletions included
	Written  int    // rows in the file
	Rejected int    // rows with an E_ code
	Deleted  int    // rows taken out again by a deletion in the same list
	Codes    []Code // codes of the whole list: E_ALL_REJECTED, W_EMPTY_LIST
}

// exporter is a profile prepared for converting rows.
type exporter struct {
	p            Profile
	enc          encoder
	delim, eol   string
	columns      []column
	phoneColumns int
	phoneLimit   int
	accountLimit int
	extColumns   [MaxPhones]bool
	extLimit     [MaxPhones]int
	zones        *zones
	wantZone     bool
	row          []byte // the encoded row under work
	delimBytes   []byte // encoded
	eolBytes     []byte
	delimRune    rune   // 0 in fixed rows
	numbers      []byte // of the row under work, one after the other
	phoneValues  [MaxPhones]string
	extValues    [MaxPhones]string
}

// column is a profile column with its limit in UTF-16 units. For phones and
// extensions n is the place among the phone columns.
type column struct {
	kind  kind
	n     int
	name  string
	limit int
	width int // of a fixed column; 0 otherwise
}

func newExporter(p Profile, year int) *exporter {
	x := &exporter{p: p, enc: newEncoder(p.Encoding), delim: p.delimiter(), eol: "\r\n", phoneLimit: MaxPhone, accountLimit: MaxAccount,
		zones: &zones{year: year, m: make(map[string]zone)}}
	if p.LineEnd == "lf" {
		x.eol = "\n"
	}
	x.eolBytes = x.enc.append(nil, x.eol)
	if x.delim != "" {
		x.delimBytes = x.enc.append(nil, x.delim)
		x.delimRune = []rune(x.delim)[0]
	}
	fixed := p.Format == Fixed
	limit := func(all, width int) int {
		if fixed {
			return min(all, width)
		}
		return all
	}
	// Numbers close up, so the place of a phone column is its rank.
	rank := map[int]int{}
	for n := 1; n <= MaxPhones; n++ {
		for _, c := range p.Columns {
			if k, cn := c.kind(); k == kindPhone && cn == n {
				rank[n] = len(rank)
			}
		}
	}
	x.phoneColumns = len(rank)
	for _, c := range p.Columns {
		k, n := c.kind()
		out := column{kind: k, name: c.Name, limit: c.Width}
		if fixed {
			out.width = c.Width
		}
		switch k {
		case kindAccount:
			x.accountLimit = limit(MaxAccount, c.Width)
		case kindFirst, kindLast:
			out.limit = limit(MaxName, c.Width)
		case kindPhone:
			out.n = rank[n]
			x.phoneLimit = min(x.phoneLimit, limit(MaxPhone, c.Width))
		case kindExt:
			out.n = rank[n]
			x.extColumns[out.n], x.extLimit[out.n] = true, limit(MaxExt, c.Width)
		case kindBias, kindDST:
			x.wantZone = true
		}
		x.columns = append(x.columns, out)
	}
	return x
}

// convert applies the rules to one planned call. The encoded row without line
// end is in x.row until the next call.
func (x *exporter) convert(c *PlannedCall) (id string, codes codeSet) {
	id = account(c.ID, x.delim, x.accountLimit, &codes)
	x.phones(c, &codes)
	var bias, dst string
	if x.wantZone {
		bias, dst = x.zones.times(c, &codes)
	}
	x.row = x.row[:0]
	units := 0
	for i := range x.columns {
		col := &x.columns[i]
		var v string
		ascii := false
		switch col.kind {
		case kindAccount:
			v = id
		case kindFirst:
			v = x.text(c.FirstName, col.limit, &codes)
		case kindLast:
			v = x.text(c.LastName, col.limit, &codes)
		case kindCustom:
			v = x.text(c.Custom[col.name], col.limit, &codes)
		case kindPhone:
			v, ascii = x.phoneValues[col.n], true
		case kindExt:
			v, ascii = x.extValues[col.n], true
		case kindBias:
			v = bias
		case kindDST:
			v = dst
		}
		if i > 0 && x.delim != "" {
			x.row = append(x.row, x.delimBytes...)
			units++
		}
		n := len(v)
		if !ascii {
			n = utf16Len(v)
		}
		if col.width > 0 && n > col.width && (col.kind == kindBias || col.kind == kindDST) {
			codes.add(RowTooLong) // a cut number would be another number
		}
		if ascii && !x.enc.utf16 {
			x.row = append(x.row, v...)
		} else {
			x.row = x.enc.append(x.row, v)
		}
		for ; n < col.width; n++ {
			x.row = x.enc.append(x.row, " ")
		}
		units += n
	}
	if units > MaxRow {
		codes.add(RowTooLong)
	}
	return id, codes
}

// header is the row of column names.
func (x *exporter) header() []byte {
	var names []string
	for i, c := range x.p.Columns {
		name := c.Type
		if x.columns[i].kind == kindCustom {
			name = c.Name
		}
		if w := x.columns[i].width; w > 0 {
			name = cutUTF16(name, w)
			name += strings.Repeat(" ", w-utf16Len(name))
		}
		names = append(names, name)
	}
	return x.enc.append(nil, strings.Join(names, x.delim))
}

// Export converts a list and writes it to w. Memory does not grow with the list
// apart from 8 bytes for each row. When nothing is to be written (rule 13),
// w is not touched. The error is that of the list (a *[SyntaxError]), of the
// profile, of w, of the spool, or of ctx; bad rows are no errors.
func Export(ctx context.Context, p Profile, calls iter.Seq2[PlannedCall, error], w io.Writer, o *Options) (Result, error) {
	if o == nil {
		o = &Options{}
	}
	if err := p.Validate(); err != nil {
		return Result{}, err
	}
	now := time.Now
	if o.Now != nil {
		now = o.Now
	}
	x := newExporter(p, now().Year())
	f, err := os.CreateTemp(o.SpoolDir, "list-*.spool")
	if err != nil {
		return Result{}, errors.Wrap(err, "outboundcsv: spool")
	}
	defer func() {
		f.Close()
		os.Remove(f.Name())
	}()
	s := newSpool(f)
	var res Result
	var c PlannedCall // outside the loop: their addresses are taken
	var rec record
	for call, err := range calls {
		if err != nil {
			return res, err
		}
		c = call
		if res.Received++; res.Received%1000 == 0 {
			if err := ctx.Err(); err != nil {
				return res, err
			}
			if o.Progress != nil {
				o.Progress(res.Received, 0)
			}
		}
		rec = record{deleted: c.Action == ActionDelete}
		if rec.deleted {
			rec.id = strings.Trim(c.ID, " ")
		} else {
			rec.id, rec.codes = x.convert(&c)
			if !rec.codes.rejects() {
				rec.row = x.row
			}
		}
		if err := s.add(&rec); err != nil {
			return res, err
		}
	}
	out := &rowWriter{w: bufio.NewWriterSize(w, 64<<10), x: x}
	err = s.each(ctx, func(rec *record) error {
		if rec.deleted {
			res.Deleted++
			return nil
		}
		rejected := rec.codes.rejects()
		if rejected {
			res.Rejected++
		} else {
			res.Written++
			if err := out.write(rec.row); err != nil {
				return err
			}
		}
		if o.Progress != nil && res.Written%1000 == 0 {
			o.Progress(res.Received, res.Written)
		}
		if o.Row != nil && len(rec.codes) > 0 {
			return o.Row(rec.id, rec.codes.sorted(), rejected)
		}
		return nil
	})
	if err != nil {
		return res, err
	}
	if res.Written == 0 {
		if res.Rejected > 0 {
			res.Codes = append(res.Codes, AllRejected)
		}
		if p.EmptyList == "skip" {
			res.Codes = append(res.Codes, EmptyList)
		}
		return res, nil
	}
	return res, out.close()
}

// rowWriter puts line ends between rows.
type rowWriter struct {
	w    *bufio.Writer
	x    *exporter
	rows int
}

func (r *rowWriter) write(row []byte) error {
	if r.rows == 0 {
		r.w.WriteString(r.x.enc.bom())
		if r.x.p.Header {
			r.w.Write(r.x.header())
			r.end()
		}
	} else {
		r.end()
	}
	r.rows++
	_, err := r.w.Write(row)
	return errors.Wrap(err, "outboundcsv: write")
}

func (r *rowWriter) end() { r.w.Write(r.x.eolBytes) }

func (r *rowWriter) close() error {
	if r.x.p.FinalLineEnd {
		r.end()
	}
	return errors.Wrap(r.w.Flush(), "outboundcsv: write")
}
