package spool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/connects-go/connects/outboundcsv"
)

// Defaults of [Options].
const (
	DefaultRepeatWindow = 10 * time.Minute
	DefaultKeyLife      = 24 * time.Hour
	DefaultPoll         = 2 * time.Second
	DefaultKeep         = 14 * 24 * time.Hour
	DefaultMaxRows      = 5_000_000
	DefaultMaxLists     = 10_000
	DefaultLockWait     = time.Second
	DefaultAnswerWait   = 10 * time.Second
)

// File is an import directory and the name that the import rule reads. Each
// instance has its own name or directory; nothing else writes that name.
type File struct {
	Dir  string `json:"dir"`
	Name string `json:"name"`
}

// Ledger is what instances share so that a list is accepted by one of them only.
// A revision is zero for an absent key. Methods are safe for concurrent use.
type Ledger interface {
	// Get returns the value of key and its revision; revision 0 means absent, and is no error.
	Get(ctx context.Context, key string) (value []byte, revision uint64, err error)
	// Put writes value if key is at revision, and returns the new one; ErrConflict
	// otherwise. The value vanishes after life.
	Put(ctx context.Context, key string, value []byte, revision uint64, life time.Duration) (uint64, error)
	// Delete removes key if it is at revision; ErrConflict otherwise.
	Delete(ctx context.Context, key string, revision uint64) error
}

// Options of a [Queue]. Either File or API says where lists go.
type Options struct {
	// Profile of the files; the zero value is outboundcsv.DefaultProfile, or with
	// API outboundcsv.APIProfile.
	Profile outboundcsv.Profile
	File    File
	API     *outboundcsv.API
	// Campaigns maps campaigns of SAP to campaign ids of the API. What is not in it
	// is used as it is.
	Campaigns map[string]string

	// Instance names this queue to others; it matters with Ledger. Default "outbound".
	Instance string
	// Ledger is shared with other instances; nil: there are none.
	Ledger Ledger

	// RepeatWindow is how long the same rows are taken for the same list.
	RepeatWindow time.Duration
	// KeyLife is how long Source.Key is remembered.
	KeyLife time.Duration
	// Poll is how often the import directory is looked at.
	Poll time.Duration
	// Keep is how long rows and reports of finished lists stay on disk.
	Keep time.Duration
	// MaxRows and MaxLists limit one list and the lists that are not finished.
	MaxRows, MaxLists int
	// LockWait is how long Open waits for a journal that another process has open.
	LockWait time.Duration
	// AnswerWait is how long Delete waits for other instances.
	AnswerWait time.Duration
	// SkipRepeats leaves out rows that another list of the same campaign and SAP system
	// brought within RepeatWindow, with the same id and content; see "Repeated rows" in
	// the package documentation. Only for import rules that append.
	SkipRepeats bool
	// MergeQueued places all waiting lists of a campaign as one file.
	MergeQueued bool

	// Changed, when set, is called after anything changed, from any goroutine and
	// without locks; it must return at once.
	Changed func()
	Logger  *slog.Logger // nil = silent
	// Now is the clock; nil = time.Now.
	Now func() time.Time

	disk  disk
	asked func() // called when another instance was asked
}

func (o *Options) withDefaults() Options {
	var c Options
	if o != nil {
		c = *o
	}
	if c.Profile.Columns == nil && c.Profile.Format == "" {
		c.Profile = outboundcsv.DefaultProfile()
		if c.API != nil {
			c.Profile = outboundcsv.APIProfile()
		}
	}
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{{&c.RepeatWindow, DefaultRepeatWindow}, {&c.KeyLife, DefaultKeyLife}, {&c.Poll, DefaultPoll}, {&c.Keep, DefaultKeep}, {&c.LockWait, DefaultLockWait}, {&c.AnswerWait, DefaultAnswerWait}} {
		if *d.v == 0 {
			*d.v = d.def
		}
	}
	if c.MaxRows == 0 {
		c.MaxRows = DefaultMaxRows
	}
	if c.MaxLists == 0 {
		c.MaxLists = DefaultMaxLists
	}
	if c.Instance == "" {
		c.Instance = "outbound"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Changed == nil {
		c.Changed = func() {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.disk == nil {
		c.disk = realDisk{}
	}
	return c
}

// Validate reports everything that is wrong, joined. Nil options lack a target.
func (o *Options) Validate() error {
	c := o.withDefaults()
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("spool: "+format, args...)) }
	if err := c.Profile.Validate(); err != nil {
		errs = append(errs, err)
	}
	if c.SkipRepeats && c.API == nil && (c.Profile.EmptyList == "write" || c.Profile.Delete == "rewrite") {
		bad("SkipRepeats is for import rules that append; EmptyList=write and Delete=rewrite are for those that overwrite")
	}
	switch {
	case c.API == nil && c.File == (File{}):
		bad("File or API is needed: it says where lists go")
	case c.API != nil && c.File != (File{}):
		bad("File and API exclude each other")
	case c.API != nil:
		if err := outboundcsv.CheckAPIProfile(&c.Profile); err != nil {
			errs = append(errs, err)
		}
		if c.Profile.Delete == "rewrite" {
			bad("Profile.Delete=rewrite is for import files; the API has api")
		}
	default:
		if c.File.Dir == "" {
			bad("File.Dir is empty")
		}
		if n := c.File.Name; n == "" || n != filepath.Base(n) || strings.ContainsAny(n, `/\:`) || strings.HasPrefix(n, ".") {
			bad("File.Name=%q: want a file name without directories that does not begin with a dot", n)
		}
		if c.Profile.Delete == "api" {
			bad("Profile.Delete=api needs API")
		}
	}
	if strings.ContainsAny(c.Instance, "/\\\x00") || strings.HasPrefix(c.Instance, ".") || len(c.Instance) > 64 {
		bad("Instance=%q: at most 64 characters that can name a directory", c.Instance)
	}
	for name, v := range map[string]time.Duration{"RepeatWindow": c.RepeatWindow, "KeyLife": c.KeyLife, "Poll": c.Poll, "Keep": c.Keep, "LockWait": c.LockWait, "AnswerWait": c.AnswerWait} {
		if v < 0 || v > 366*24*time.Hour {
			bad("%s=%v: between 0 and a year", name, v)
		}
	}
	if c.MaxRows < 0 || c.MaxLists < 0 {
		bad("MaxRows and MaxLists must not be negative")
	}
	return errors.Join(errs...)
}
