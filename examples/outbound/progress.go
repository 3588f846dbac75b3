package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

const (
	barFrom  = 10_000 // rows from which a terminal gets a bar
	barWidth = 30
)

// bar shows on a terminal how far an export is. Reading is the first half, measured
// in bytes of the input; writing is the second one. Without a terminal it is nil.
type bar struct {
	w     io.Writer
	size  int64        // of the input in bytes; 0 is unknown
	at    func() int64 // bytes read
	shown string
}

// newBar is for a list that is read from in.
func newBar(stderr io.Writer, in *os.File) *bar {
	f, ok := stderr.(*os.File)
	if !ok || !terminal(f) {
		return nil
	}
	b := &bar{w: f, at: func() int64 {
		at, err := in.Seek(0, io.SeekCurrent)
		if err != nil {
			return 0 // a pipe
		}
		return at
	}}
	if st, err := in.Stat(); err == nil && st.Mode().IsRegular() {
		b.size = st.Size()
	}
	return b
}

// terminal tells a terminal from other devices, such as the one that takes everything.
func terminal(f *os.File) bool {
	st, err := f.Stat()
	if err != nil || st.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(st, null)
}

// rows takes the rows read and written so far.
func (b *bar) rows(read, written int) {
	if read < barFrom {
		return
	}
	half, what, n := 0, "read", read
	switch {
	case written > 0:
		half, what, n = barWidth/2+barWidth/2*min(written, read)/read, "written", written
	case b.size > 0:
		half = int(barWidth / 2 * min(b.at(), b.size) / b.size)
	}
	if line := fmt.Sprintf("\r[%-*s] %d %s", barWidth, strings.Repeat("#", half), n/1000*1000, what); line != b.shown {
		fmt.Fprintf(b.w, "%-60s", line)
		b.shown = line
	}
}

// end takes the bar away again.
func (b *bar) end() {
	if b != nil && b.shown != "" {
		fmt.Fprintf(b.w, "\r%60s\r", "")
	}
}
