package lang

import (
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	pkgerrors "github.com/pkg/errors"
)

// English is the code of the language that everything falls back to.
const English = "EN"

// Extension ends the name of a language file; its case does not matter.
const Extension = ".lfg"

// MaxFiles is the most language files that are read.
const MaxFiles = 200

// Texts holds the catalogs of all languages. Readers take no lock.
type Texts struct {
	fsys fs.FS
	now  atomic.Pointer[state]
	// mu orders reloads.
	mu sync.Mutex
}

// state is what one reload made; it never changes.
type state struct {
	generation uint64
	files      map[string]*File
	catalogs   map[string]*Catalog
	english    *Catalog
	report     Report
}

// Report tells what the last load found.
type Report struct {
	// Generation counts the loads, from 1. A cache of texts is stale when it changed.
	Generation uint64
	// Languages are the codes that have a file, in order.
	Languages []string
	// Warnings are what an operator should look at.
	Warnings []*Problem
}

// Load reads the language files at the top of fsys, which may be nil: built-in
// English only. It always returns usable Texts. The error joins every
// [*Problem]; files that have one are left out.
func Load(fsys fs.FS) (*Texts, error) {
	t := &Texts{fsys: fsys}
	t.now.Store(&state{english: makeCatalog(English, nil, nil)})
	err := t.Reload()
	return t, err
}

// For returns the catalog of a language in any spelling that [Normalize] takes;
// English for an unknown one. It takes no lock and allocates nothing.
func (t *Texts) For(language string) *Catalog {
	s := t.now.Load()
	if c, ok := s.catalogs[Normalize(language)]; ok {
		return c
	}
	return s.english
}

// Report returns what the last load found.
func (t *Texts) Report() Report {
	r := t.now.Load().report
	r.Languages = slices.Clone(r.Languages)
	r.Warnings = slices.Clone(r.Warnings)
	return r
}

// Generation counts the loads; see [Report].
func (t *Texts) Generation() uint64 { return t.now.Load().generation }

// Reload reads the files again and puts all new texts in force at once. A file
// with problems leaves its language as it was, and when the directory cannot be
// read nothing changes. The error joins every [*Problem].
func (t *Texts) Reload() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.now.Load()
	next := &state{
		generation: old.generation + 1,
		files:      map[string]*File{},
		catalogs:   map[string]*Catalog{},
	}
	errs, ok := t.read(next, old)
	if !ok {
		return errors.Join(errs...)
	}
	english := next.files[English]
	next.english = makeCatalog(English, english, english)
	for code, f := range next.files {
		next.catalogs[code] = makeCatalog(code, english, f)
		next.report.Languages = append(next.report.Languages, code)
		next.report.Warnings = append(next.report.Warnings, f.Warnings...)
		next.report.Warnings = append(next.report.Warnings, unknownEntries(f)...)
	}
	slices.Sort(next.report.Languages)
	slices.SortStableFunc(next.report.Warnings, func(a, b *Problem) int { return strings.Compare(a.File, b.File) })
	next.report.Generation = next.generation
	t.now.Store(next)
	return errors.Join(errs...)
}

// read fills next.files. It reports false when nothing could be read at all.
func (t *Texts) read(next, old *state) ([]error, bool) {
	if t.fsys == nil {
		return nil, true
	}
	names, err := fs.ReadDir(t.fsys, ".")
	if errors.Is(err, fs.ErrNotExist) {
		next.report.Warnings = append(next.report.Warnings, &Problem{Err: ErrNoDirectory})
		return nil, true
	}
	if err != nil {
		return []error{pkgerrors.Wrap(err, "lang: directory of language files")}, false
	}
	var errs []error
	from := map[string]string{}
	for _, entry := range names {
		name := entry.Name()
		if entry.IsDir() || !strings.EqualFold(name[max(0, len(name)-len(Extension)):], Extension) {
			continue
		}
		code := Normalize(name[:len(name)-len(Extension)])
		switch {
		case code == "":
			errs = append(errs, &Problem{File: name, Err: ErrFileName})
			continue
		case from[code] != "":
			errs = append(errs, &Problem{File: name, What: code + " is also in " + from[code], Err: ErrDuplicate})
			continue
		case len(from) == MaxFiles:
			errs = append(errs, &Problem{File: name, What: strconv.Itoa(MaxFiles) + " language files", Err: ErrTooLarge})
			continue
		}
		from[code] = name
		f, err := t.readFile(name)
		if err != nil {
			errs = append(errs, err)
			if f = old.files[code]; f == nil {
				continue
			}
		}
		next.files[code] = f
	}
	return errs, true
}

func (t *Texts) readFile(name string) (*File, error) {
	info, err := fs.Stat(t.fsys, name)
	if err == nil && info.Size() > MaxFile {
		return nil, &Problem{File: name, What: strconv.FormatInt(info.Size(), 10) + " bytes", Err: ErrTooLarge}
	}
	data, err := fs.ReadFile(t.fsys, name)
	if err != nil {
		return nil, &Problem{File: name, Err: pkgerrors.WithStack(err)}
	}
	return Parse(name, data)
}

// unknownEntries warns of entries that no code of ours looks up, which are
// mostly misspelt ones.
func unknownEntries(f *File) []*Problem {
	var out []*Problem
	for _, e := range f.Entries {
		if e.Section == WorkModeSupplementary {
			continue
		}
		if _, ok := canonical()[e.Section][strings.ToLower(e.ID)]; !ok {
			out = append(out, &Problem{File: f.Name, Line: e.Line, What: "[" + e.Section.String() + "] " + e.ID, Err: ErrUnknown})
		}
	}
	return out
}
