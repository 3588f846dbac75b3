package outboundcsv

import (
	"context"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/pkg/errors"
)

// Options of [Export]. nil and the zero value are usable.
type Options struct {
	// SpoolDir is where rows wait while the list is read; empty is the system's
	// directory for temporary files. It needs about twice the size of the output. Nothing is left there, also after a kill.
	SpoolDir string
	// Now gives the year for which time zones are computed; nil is time.Now.
	Now func() time.Time
	// Row, when set, is told of every row that was rejected or has warnings, in
	// the order of the list. codes are sorted and belong to the callee.
	Row func(id string, codes []Code, rejected bool) error
	// Progress, when set, is called now and then with the rows read and written.
	// Writing begins when all were read.
	Progress func(read, written int)

	limits spoolLimits // zero values are the usual ones
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
	delimBytes   []byte // encoded
	eolBytes     []byte
	delimUnits   int
	idFirst      uint32 // flagIDInRow, when rows begin with the id as it is
	delimRune    rune   // 0 in fixed rows
	short        short

	// Of the row under work: the numbers one after the other, where each ends, and
	// their extensions.
	numbers []byte
	ends    [MaxPhones + 1]int
	found   int
	exts    [MaxPhones]string
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
		x.delimUnits = utf16Len(x.delim)
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
	if x.columns[0].kind == kindAccount && !x.enc.utf16 {
		x.idFirst = flagIDInRow
	}
	x.short.prepare(x)
	return x
}

// convert applies the rules to one planned call and appends the encoded row without
// line end to dst. id is that of the call without outer blanks.
func (x *exporter) convert(dst []byte, c *PlannedCall, id string) (row []byte, codes codeSet) {
	plainID := x.short.account(id, x.accountLimit)
	if !plainID {
		account(id, x.delim, x.accountLimit, &codes)
	}
	x.phones(c, &codes)
	var bias, observed string
	if x.wantZone {
		bias, observed = x.zones.times(c, &codes)
	}
	units := (len(x.columns) - 1) * x.delimUnits
	for i := range x.columns {
		col := &x.columns[i]
		if i == 0 {
		} else if len(x.delimBytes) == 1 {
			dst = append(dst, x.delimBytes[0])
		} else {
			dst = append(dst, x.delimBytes...)
		}
		n := 0
		switch col.kind {
		case kindAccount:
			if plainID && !x.enc.utf16 {
				dst, n = append(dst, id...), len(id)
			} else {
				dst, n = x.enc.append(dst, id), utf16Len(id)
			}
		case kindFirst:
			dst, n = x.text(dst, c.FirstName, col.limit, &codes)
		case kindLast:
			dst, n = x.text(dst, c.LastName, col.limit, &codes)
		case kindCustom:
			dst, n = x.text(dst, c.Custom[col.name], col.limit, &codes)
		case kindPhone:
			if col.n < x.found {
				v := x.numbers[x.ends[col.n]:x.ends[col.n+1]]
				dst, n = x.enc.appendASCII(dst, v), len(v)
			}
		case kindExt:
			if col.n < x.found {
				v := x.exts[col.n]
				dst, n = x.enc.append(dst, v), len(v)
			}
		case kindBias:
			dst, n = x.enc.append(dst, bias), len(bias)
		case kindDST:
			dst, n = x.enc.append(dst, observed), len(observed)
		}
		if col.width > 0 && n > col.width && (col.kind == kindBias || col.kind == kindDST) {
			codes.add(rowTooLong) // a cut number would be another number
		}
		units += n
		for ; n < col.width; n++ {
			dst = x.enc.append(dst, " ")
			units++
		}
	}
	if units > MaxRow {
		codes.add(rowTooLong)
	}
	return dst, codes
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

// Export converts a list and writes it to w. Memory does not grow with the list:
// rows wait in files without a name in the spool directory. When nothing is to be
// written (rule 13), w is not touched. The error is that of the list (a *[SyntaxError]), of the
// profile, of w, of the spool (a full disk, say), or of ctx; bad rows are no errors.
func Export(ctx context.Context, p Profile, calls iter.Seq2[PlannedCall, error], w io.Writer, o *Options) (res Result, err error) {
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
	s := newSpool(o.SpoolDir, o.limits)
	defer s.close()
	for call, err := range calls {
		if err != nil {
			return res, err
		}
		if res.Received++; res.Received%progressRows == 0 {
			if err := ctx.Err(); err != nil {
				return res, err
			}
			if o.Progress != nil {
				o.Progress(res.Received, 0)
			}
		}
		id := trimBlanks(call.ID)
		start := s.begin()
		row := len(s.buf)
		var codes codeSet
		flags := flagDeletion
		if call.Action != ActionDelete {
			flags = x.idFirst
			if s.buf, codes = x.convert(s.buf, &call, id); codes.rejects() {
				s.buf, flags = s.buf[:row], 0
			}
		}
		if err := s.end(start, id, codes, flags); err != nil {
			return res, err
		}
	}
	if err := s.seen.settle(ctx, s); err != nil {
		return res, err
	}
	out := &rowWriter{w: w, x: x}
	done := 0
	err = s.each(ctx, func(r *record, deleted bool) error {
		if done++; done%progressRows == 0 && o.Progress != nil {
			o.Progress(res.Received, res.Written)
		}
		if deleted {
			res.Deleted++
			return nil
		}
		rejected := r.codes.rejects()
		if rejected {
			res.Rejected++
		} else {
			res.Written++
			if err := out.write(r.row); err != nil {
				return err
			}
		}
		if r.codes != 0 && o.Row != nil {
			return o.Row(string(r.id), r.codes.list(), rejected)
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

// progressRows is how many rows pass between two looks at the context and two calls of
// [Options.Progress].
const progressRows = 1000

// rowWriter puts line ends between rows.
type rowWriter struct {
	w   io.Writer
	x   *exporter
	buf []byte
	any bool
}

// writePiece is how many bytes go to the file at once.
const writePiece = 64 << 10

func (r *rowWriter) write(row []byte) error {
	if !r.any {
		r.any = true
		r.buf = append(make([]byte, 0, writePiece+4*MaxRow), r.x.enc.bom()...)
		if r.x.p.Header {
			r.buf = append(append(r.buf, r.x.header()...), r.x.eolBytes...)
		}
	} else {
		r.buf = append(r.buf, r.x.eolBytes...)
	}
	if r.buf = append(r.buf, row...); len(r.buf) >= writePiece {
		return r.flush()
	}
	return nil
}

func (r *rowWriter) flush() error {
	n, err := r.w.Write(r.buf)
	if err == nil && n < len(r.buf) {
		err = io.ErrShortWrite
	}
	r.buf = r.buf[:0]
	return errors.Wrap(err, "outboundcsv: write")
}

func (r *rowWriter) close() error {
	if r.x.p.FinalLineEnd {
		r.buf = append(r.buf, r.x.eolBytes...)
	}
	return r.flush()
}
