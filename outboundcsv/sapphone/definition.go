package sapphone

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
)

// Definitions are the functions, types and meanings that a connector knows: the
// content of the definition file. Nothing in this package knows the name of a
// SAPphone function; the names that are not public come from here.
type Definitions struct {
	Types     map[string]*Type    `json:"types"`
	Functions map[string]*Func    `json:"functions"`
	Mapping   map[string]*Mapping `json:"mapping"`
}

// Type is a flat structure, the row of a table.
type Type struct {
	LengthChars int     `json:"lengthChars,omitempty"` // of character-like structures; 0 = computed
	LengthBytes int     `json:"lengthBytes,omitempty"` // on a Unicode connection, for mixed structures; 0 = computed
	Fields      []Field `json:"fields"`
}

// Field is a field of a structure, or a parameter of a function.
type Field struct {
	Name string `json:"name"`
	// ABAPType is CHAR, NUMC, DATS, TIMS, INT1, INT2, INT4, INT8, FLTP, DEC, RAW, STRING
	// or XSTRING, or the letter that RFC uses (C, N, D, T, b, s, I, 8, F, P, X, g, y).
	ABAPType string `json:"abapType,omitempty"`
	Length   int    `json:"length,omitempty"`   // characters of CHAR and NUMC, bytes of RAW and DEC
	Decimals int    `json:"decimals,omitempty"` // of DEC
	// OffsetChars is the place in a character-like structure, OffsetBytes in a mixed
	// one. Without both, the field follows the one before, aligned.
	OffsetChars *int   `json:"offsetChars,omitempty"`
	OffsetBytes *int   `json:"offsetBytes,omitempty"`
	Type        string `json:"type,omitempty"` // name in Types, for structures and tables
	Optional    bool   `json:"optional,omitempty"`

	kind   kind
	size   int // bytes on a Unicode connection
	offset int
}

// Func is the interface of a function.
type Func struct {
	Import     []Field  `json:"import"`
	Export     []Field  `json:"export"`
	Changing   []Field  `json:"changing"`
	Tables     []Field  `json:"tables"`
	Exceptions []string `json:"exceptions"`
}

// Operation is what a function means.
type Operation string

// Operations of a [Mapping].
const (
	Upload     Operation = "upload"     // planned calls of a campaign
	Delete     Operation = "delete"     // some or all planned calls of a campaign
	Campaigns  Operation = "campaigns"  // campaigns that there are
	Assigned   Operation = "assigned"   // campaigns of an agent
	Statistics Operation = "statistics" // numbers of a campaign
	Ping       Operation = "ping"       // also for initialising and closing
)

// Mapping says what a function means and where its values are. Names are those of
// parameters, tables and fields of the function.
type Mapping struct {
	Operation Operation `json:"operation"`
	System    string    `json:"system,omitempty"` // import parameter with the logical system
	Client    string    `json:"client,omitempty"`
	Campaign  string    `json:"campaign,omitempty"`
	Key       string    `json:"key,omitempty"` // import parameter that identifies the delivery
	Agent     string    `json:"agent,omitempty"`
	All       string    `json:"all,omitempty"`  // import parameter that is X when everything is deleted, blank or zero when not
	Rows      string    `json:"rows,omitempty"` // table with planned calls or ids
	Row       RowMap    `json:"row,omitzero"`
	// Result gives export parameters for each outcome: ok, failed (every row was
	// rejected, or the operation is impossible), unknown (campaign or id), late
	// (deletion of calls that were imported).
	Result map[string]map[string]string `json:"result,omitempty"`
	// Exception names the ABAP exception of an outcome; it wins over Result. For busy
	// (try again) there has to be one, or the call fails as a system failure.
	Exception map[string]string `json:"exception,omitempty"`
	// Rejects is a table that gets the rejected rows; without it SAP learns only
	// that some, or all, were rejected.
	Rejects *RejectMap `json:"rejects,omitempty"`
	// List is a table that gets campaigns, and Numbers export parameters that get
	// statistics by name: lists, rows, written, rejected, waiting.
	List    *ListMap          `json:"list,omitempty"`
	Numbers map[string]string `json:"numbers,omitempty"`
}

// RowMap says which field of a row has what.
type RowMap struct {
	ID        string            `json:"id,omitempty"` // of the planned call
	FirstName string            `json:"firstName,omitempty"`
	LastName  string            `json:"lastName,omitempty"`
	Phones    []string          `json:"phones,omitempty"` // in the order of dialling
	Exts      []string          `json:"exts,omitempty"`   // of the phones at the same places
	TimeZone  string            `json:"timeZone,omitempty"`
	NotBefore string            `json:"notBefore,omitempty"` // contact hours; no import file has a place for them
	NotAfter  string            `json:"notAfter,omitempty"`
	Custom    map[string]string `json:"custom,omitempty"` // column of the profile -> field
}

// RejectMap is where rejected rows go.
type RejectMap struct {
	Table string `json:"table"`          // table of the answer
	ID    string `json:"id"`             // field for the id of the planned call
	Code  string `json:"code,omitempty"` // field for the codes; empty = none
}

// ListMap is where campaigns go.
type ListMap struct {
	Table string `json:"table"`
	ID    string `json:"id"`
}

// Limits of a definition file.
const (
	maxDefinition = 4 << 20
	maxRowBytes   = 64 << 10
	maxFields     = 1000
)

// DefinitionError is one thing that is wrong in a definition file.
type DefinitionError struct {
	Where string // such as types.Z_PDCALL.TELNO
	Want  string
}

func (e *DefinitionError) Error() string {
	return "sapphone: definition " + e.Where + ": " + e.Want
}

// ParseDefinitions reads a definition file. The error joins a *[DefinitionError]
// for everything that is wrong.
func ParseDefinitions(r io.Reader) (*Definitions, error) {
	d := json.NewDecoder(io.LimitReader(r, maxDefinition))
	d.DisallowUnknownFields()
	defs := &Definitions{}
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return nil, &DefinitionError{fmt.Sprintf("byte %d", d.InputOffset()), "JSON: " + err.Error()}
	}
	raw, err := withoutNotes(raw)
	if err != nil {
		return nil, err
	}
	d = json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(defs); err != nil {
		return nil, &DefinitionError{fmt.Sprintf("byte %d", d.InputOffset()), err.Error()}
	}
	return defs, defs.prepare()
}

// withoutNotes takes the comment of the file away.
func withoutNotes(raw json.RawMessage) (json.RawMessage, error) {
	var top map[string]json.RawMessage
	if err := json.Unmarshal(raw, &top); err != nil {
		return nil, &DefinitionError{"file", "want an object with types, functions and mapping"}
	}
	delete(top, "note")
	return json.Marshal(top)
}

// prepare computes offsets and checks everything.
func (d *Definitions) prepare() error {
	var errs []error
	bad := func(where, format string, args ...any) {
		errs = append(errs, &DefinitionError{where, fmt.Sprintf(format, args...)})
	}
	for _, name := range sorted(d.Types) {
		d.Types[name].prepare("types."+name, bad)
	}
	for _, name := range sorted(d.Functions) {
		f, where := d.Functions[name], "functions."+name
		if name == "" || len(name) > 30 || name != strings.ToUpper(name) {
			bad(where, "a function name has 1 to 30 upper-case characters")
		}
		seen := map[string]bool{}
		for _, list := range []struct {
			fields []Field
			table  bool
		}{{f.Import, false}, {f.Export, false}, {f.Changing, false}, {f.Tables, true}} {
			for i := range list.fields {
				p := &list.fields[i]
				if seen[p.Name] || p.Name == "" {
					bad(where+"."+p.Name, "each parameter needs a name of its own")
				}
				seen[p.Name] = true
				if p.Type != "" {
					if d.Types[p.Type] == nil {
						bad(where+"."+p.Name, "type %s is not defined", p.Type)
					}
					continue
				}
				if list.table {
					bad(where+"."+p.Name, "a table needs a type")
					continue
				}
				p.prepare(where, bad)
			}
		}
	}
	for _, name := range sorted(d.Mapping) {
		d.checkMapping(name, bad)
	}
	return errors.Join(errs...)
}

func sorted[T any](m map[string]T) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

func (f *Field) prepare(where string, bad func(string, string, ...any)) {
	f.kind = kinds[f.ABAPType]
	if f.kind == 0 {
		bad(where+"."+f.Name, "unknown abapType %q", f.ABAPType)
		return
	}
	if f.Length < 0 || f.Length > maxRowBytes || f.Length == 0 && f.kind.sized() {
		bad(where+"."+f.Name, "length %d", f.Length)
	}
	f.size = f.kind.size(f.Length)
}

func (t *Type) prepare(where string, bad func(string, string, ...any)) {
	if len(t.Fields) == 0 || len(t.Fields) > maxFields {
		bad(where, "1 to %d fields", maxFields)
		return
	}
	end, align := 0, 1
	names := map[string]bool{}
	for i := range t.Fields {
		f := &t.Fields[i]
		f.prepare(where, bad)
		if names[f.Name] || f.Name == "" {
			bad(where+"."+f.Name, "each field needs a name of its own")
		}
		names[f.Name] = true
		if f.kind == kindString || f.kind == kindXString {
			bad(where+"."+f.Name, "a row of fixed length has no strings")
		}
		a := f.kind.align()
		align = max(align, a)
		f.offset = (end + a - 1) / a * a
		switch {
		case f.OffsetBytes != nil:
			f.offset = *f.OffsetBytes
		case f.OffsetChars != nil:
			f.offset = 2 * *f.OffsetChars
		}
		if f.offset < end {
			bad(where+"."+f.Name, "overlaps the field before it: offset %d, want at least %d bytes", f.offset, end)
		}
		end = max(end, f.offset+f.size)
	}
	want := (end + align - 1) / align * align
	have := t.LengthBytes
	if have == 0 {
		have = 2 * t.LengthChars
	}
	if have == 0 {
		have = want
	}
	if have < end || have > maxRowBytes {
		bad(where, "length is %d bytes, its fields need %d", have, end)
	}
	t.LengthBytes = have
}

// field finds a field by name.
func (t *Type) field(name string) *Field {
	i := slices.IndexFunc(t.Fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &t.Fields[i]
}

func find(fields []Field, name string) *Field {
	i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &fields[i]
}

// in and out find parameters by direction.
func (f *Func) in(name string) *Field {
	if p := find(f.Import, name); p != nil {
		return p
	}
	return find(f.Changing, name)
}

func (f *Func) out(name string) *Field {
	if p := find(f.Export, name); p != nil {
		return p
	}
	return find(f.Changing, name)
}

func (d *Definitions) checkMapping(name string, bad func(string, string, ...any)) {
	m, f, where := d.Mapping[name], d.Functions[name], "mapping."+name
	if f == nil {
		bad(where, "the function is not defined")
		return
	}
	if !slices.Contains([]Operation{Upload, Delete, Campaigns, Assigned, Statistics, Ping}, m.Operation) {
		bad(where+".operation", "upload, delete, campaigns, assigned, statistics or ping")
	}
	for key, p := range map[string]string{"system": m.System, "client": m.Client, "campaign": m.Campaign, "key": m.Key, "agent": m.Agent, "all": m.All} {
		if p != "" && f.in(p) == nil {
			bad(where+"."+key, "%s is no import parameter", p)
		}
	}
	table := func(key, name string, fields ...string) {
		t := find(f.Tables, name)
		if t == nil {
			bad(where+"."+key, "%q is no table of the function", name)
			return
		}
		for _, c := range fields {
			if typ := d.Types[t.Type]; c != "" && typ != nil && typ.field(c) == nil {
				bad(where+"."+key, "%s is no field of %s", c, t.Type)
			}
		}
	}
	if m.Rows != "" || m.Operation == Upload {
		fields := append([]string{m.Row.ID, m.Row.FirstName, m.Row.LastName, m.Row.TimeZone, m.Row.NotBefore, m.Row.NotAfter}, append(m.Row.Phones, m.Row.Exts...)...)
		for _, c := range m.Row.Custom {
			fields = append(fields, c)
		}
		table("rows", m.Rows, fields...)
		if m.Row.ID == "" || m.Operation == Upload && len(m.Row.Phones) == 0 {
			bad(where+".row", "id is needed, and phones for an upload")
		}
	}
	if m.Rejects != nil {
		table("rejects", m.Rejects.Table, m.Rejects.ID, m.Rejects.Code)
	}
	if m.List != nil {
		table("list", m.List.Table, m.List.ID)
	}
	for outcome, values := range m.Result {
		for p := range values {
			if f.out(p) == nil {
				bad(where+".result."+outcome, "%s is no export parameter", p)
			}
		}
	}
	for stat, p := range m.Numbers {
		if f.out(p) == nil {
			bad(where+".numbers."+stat, "%s is no export parameter", p)
		}
	}
	for outcome, e := range m.Exception {
		if !slices.Contains(f.Exceptions, e) {
			bad(where+".exception."+outcome, "%s is no exception of the function", e)
		}
	}
	if (m.Operation == Upload || m.Operation == Delete) && (len(m.Result["ok"]) == 0 || len(m.Result["failed"]) == 0 && m.Exception["failed"] == "") {
		bad(where+".result", "ok and failed are needed: SAP must not take a failed list for transferred")
	}
}

// EncodeValue encodes an export or changing parameter for the classic protocol.
// ok is false when the function has no such parameter.
func (d *Definitions) EncodeValue(function, name, text string, big bool) (b []byte, ok bool, err error) {
	f := d.Functions[function]
	if f == nil {
		return nil, false, nil
	}
	p := f.out(name)
	if p == nil || p.Type != "" {
		return nil, false, nil
	}
	if b, err = p.encode(text, big); err != nil {
		return nil, false, &CallError{function, name, err}
	}
	return b, true, nil
}

// EncodeTable encodes the rows of a table for the classic protocol.
func (d *Definitions) EncodeTable(function, name string, rows []map[string]string, big bool) (out [][]byte, width int, err error) {
	f := d.Functions[function]
	if f == nil || find(f.Tables, name) == nil {
		return nil, 0, &CallError{function, name, errors.New("unknown table")}
	}
	t := d.Types[find(f.Tables, name).Type]
	for _, r := range rows {
		b, err := t.encodeRow(r, big)
		if err != nil {
			return nil, 0, &CallError{function, name, err}
		}
		out = append(out, b)
	}
	return out, t.LengthBytes, nil
}
