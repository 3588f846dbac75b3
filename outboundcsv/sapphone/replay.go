package sapphone

import (
	"context"
	stderrors "errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/pkg/errors"
)

// Replay is the transport spool: it takes recordings (see [Recorder], Full) out of
// a directory, oldest name first. A recording that was answered gets the suffix
// .done, one that failed .failed with the reason in a file .error; ErrBusy leaves it
// for the next time. Write elsewhere and rename into the directory.
type Replay struct {
	Dir    string
	Poll   time.Duration // between looks into Dir; 0 = 2 s
	Logger *slog.Logger  // nil = silent

	mu   sync.Mutex
	link Link
}

// maxRecording is the largest recording in bytes.
const maxRecording = 1 << 30

// Name implements [Transport].
func (t *Replay) Name() string { return "spool" }

// Link implements [Transport].
func (t *Replay) Link() Link {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.link
}

// Serve implements [Transport].
func (t *Replay) Serve(ctx context.Context, h Handler) error {
	poll := t.Poll
	if poll == 0 {
		poll = 2 * time.Second
	}
	for {
		err := t.Once(ctx, h)
		t.mu.Lock()
		was := t.link.State
		t.link.State, t.link.Err, t.link.Detail = Registered, nil, t.Dir
		if err != nil {
			t.link.State, t.link.Err = Down, err
		}
		if was != t.link.State || t.link.Since.IsZero() {
			t.link.Since = time.Now()
		}
		t.mu.Unlock()
		timer := time.NewTimer(poll)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// Once takes the recordings that are there now.
func (t *Replay) Once(ctx context.Context, h Handler) error {
	es, err := os.ReadDir(t.Dir)
	if err != nil {
		return errors.Wrap(err, "sapphone: replay")
	}
	for _, e := range es {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if filepath.Ext(e.Name()) != ".json" || strings.HasPrefix(e.Name(), ".") || !e.Type().IsRegular() {
			continue
		}
		name := filepath.Join(t.Dir, e.Name())
		err := t.play(ctx, h, name)
		switch {
		case stderrors.Is(err, ErrBusy) || ctx.Err() != nil:
			return err
		case err == nil:
			err = os.Rename(name, name+".done")
		default:
			if t.Logger != nil {
				t.Logger.Warn("recording failed", slog.String("file", e.Name()), slog.String("err", err.Error()))
			}
			err = stderrors.Join(os.WriteFile(name+".error", []byte(err.Error()+"\n"), 0o600), os.Rename(name, name+".failed"))
		}
		if err != nil {
			return errors.Wrap(err, "sapphone: replay")
		}
	}
	return nil
}

func (t *Replay) play(ctx context.Context, h Handler, name string) error {
	f, err := os.Open(name)
	if stderrors.Is(err, fs.ErrNotExist) {
		return nil // somebody took it back
	}
	if err != nil {
		return errors.Wrap(err, "sapphone: replay")
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.Size() > maxRecording {
		return ErrTooLarge
	}
	rec, err := ReadRecording(f)
	if err != nil {
		return err
	}
	c, err := rec.Call()
	if err != nil {
		return err
	}
	if c.Key == "" {
		c.Key = "replay " + filepath.Base(name) // a crash before the rename plays it again
	}
	t.mu.Lock()
	t.link.Calls++
	t.link.LastCall = time.Now()
	t.mu.Unlock()
	_, err = h(ctx, c)
	return err
}
