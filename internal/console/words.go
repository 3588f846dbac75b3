package console

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Words cuts a line into its words, which blanks part. A word that begins with a double
// quote is a string of Go, up to the quote that ends it: so it may hold blanks, and any
// byte by an escape, \xff say; "%q" of package fmt writes it. A quote elsewhere in a word
// stands for itself. The error tells which word is no such string.
func Words(line string) ([]string, error) {
	var words []string
	for {
		line = strings.TrimLeftFunc(line, unicode.IsSpace)
		switch {
		case line == "":
			return words, nil
		case line[0] != '"':
			n := strings.IndexFunc(line, unicode.IsSpace)
			if n < 0 {
				n = len(line)
			}
			words, line = append(words, line[:n]), line[n:]
			continue
		}
		quoted, err := strconv.QuotedPrefix(line)
		if err != nil {
			return nil, fmt.Errorf("word %d: no string that ends with a double quote, with the escapes of Go", len(words)+1)
		}
		line = line[len(quoted):]
		if r, _ := utf8.DecodeRuneInString(line); line != "" && !unicode.IsSpace(r) {
			return nil, fmt.Errorf("word %d: a blank has to follow its double quote", len(words)+1)
		}
		word, err := strconv.Unquote(quoted)
		if err != nil { // cannot be: it is one by QuotedPrefix
			return nil, fmt.Errorf("word %d: %w", len(words)+1, err)
		}
		words = append(words, word)
	}
}

// printable makes blanks of control characters, and of bytes that are no UTF-8, as those
// of telnet's negotiation.
func printable(line []byte) string {
	var b strings.Builder
	for len(line) > 0 {
		r, n := utf8.DecodeRune(line)
		if r < ' ' || r == 0x7F || r == utf8.RuneError && n == 1 {
			r = ' '
		}
		b.WriteRune(r)
		line = line[n:]
	}
	return b.String()
}
