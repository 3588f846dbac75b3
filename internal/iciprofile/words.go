package iciprofile

import (
	"errors"
	"fmt"
	"strings"
)

// ErrSyntax is the reason of every [*LineError] that a malformed line causes.
var ErrSyntax = errors.New("iciprofile: syntax error")

// LineError says which line of a profile or override text is wrong, and why.
type LineError struct {
	File string // name given by the caller, may be empty
	Line int    // 1 is the first line
	Msg  string
}

func (e *LineError) Error() string {
	if e.File == "" {
		return fmt.Sprintf("line %d: %s", e.Line, e.Msg)
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg)
}

// Unwrap gives ErrSyntax.
func (e *LineError) Unwrap() error { return ErrSyntax }

// Words splits one line into words. A word in double quotes may hold blanks, \" and \\; # outside quotes starts a comment.
func Words(line string) ([]string, error) {
	var out []string
	for i := 0; i < len(line); {
		switch c := line[i]; {
		case c == ' ' || c == '\t' || c == '\r':
			i++
		case c == '#':
			return out, nil
		case c == '"':
			var b strings.Builder
			i++
			for {
				if i >= len(line) {
					return nil, errors.New("quote is not closed")
				}
				if line[i] == '"' {
					i++
					break
				}
				if line[i] == '\\' && i+1 < len(line) {
					i++
				}
				b.WriteByte(line[i])
				i++
			}
			if i < len(line) && line[i] != ' ' && line[i] != '\t' && line[i] != '\r' && line[i] != '#' {
				return nil, errors.New("blank expected after the closing quote")
			}
			out = append(out, b.String())
		default:
			j := i
			for j < len(line) && line[j] != ' ' && line[j] != '\t' && line[j] != '\r' {
				j++
			}
			out = append(out, line[i:j])
			i = j
		}
	}
	return out, nil
}
