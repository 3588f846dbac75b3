package ici

import (
	"bytes"
	"io"
	"mime"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
)

// toUTF8 converts a message to UTF-8 exactly once. The character set comes from the byte order mark, else from the zero
// bytes that UTF-16 has beside "<", else from the charset parameter of the content type, else from the XML declaration;
// without any of them it is UTF-8. Labels mean what the WHATWG encoding standard says, so ISO-8859-1 is read as its
// superset windows-1252. The result has no byte order mark.
func toUTF8(body []byte, contentType string, limit int64) (string, error) {
	if len(body) == 0 {
		return "", &ParseError{Msg: "the message is empty", Err: ErrSyntax}
	}
	label, named := "", false
	switch {
	case bytes.HasPrefix(body, []byte("\xEF\xBB\xBF")):
		return checked(string(body[3:]))
	case bytes.HasPrefix(body, []byte("\xFF\xFE")):
		body, label = body[2:], "utf-16le"
	case bytes.HasPrefix(body, []byte("\xFE\xFF")):
		body, label = body[2:], "utf-16be"
	case bytes.HasPrefix(body, []byte("<\x00")):
		label = "utf-16le"
	case bytes.HasPrefix(body, []byte("\x00<")):
		label = "utf-16be"
	default:
		label = contentCharset(contentType)
		if label == "" {
			label = prologCharset(body)
		}
		named = true
	}
	if label == "" || strings.EqualFold(label, "utf-8") || strings.EqualFold(label, "utf8") {
		return checked(string(body))
	}
	enc, name := charset.Lookup(label)
	if enc == nil || name == "replacement" || name == "x-user-defined" {
		return "", &ParseError{Msg: quote(label), Err: ErrCharset}
	}
	switch {
	case name == "utf-8":
		return checked(string(body))
	case named && strings.HasPrefix(name, "utf-16") && !bytes.Contains(body[:min(len(body), 4)], []byte{0}):
		// The label is wrong: no document of this kind begins with two characters outside ASCII.
		return "", &ParseError{Msg: "the character set says UTF-16 but the bytes are not", Err: ErrCharset}
	}
	r, err := charset.NewReaderLabel(label, bytes.NewReader(body))
	if err != nil {
		return "", &ParseError{Msg: quote(label), Err: ErrCharset}
	}
	var b strings.Builder
	b.Grow(len(body) + len(body)/8)
	// No character set here needs more than three bytes of UTF-8 for one of its own.
	if n, err := io.Copy(&b, io.LimitReader(r, 3*limit+4)); err != nil {
		return "", &ParseError{Msg: "bytes do not fit the character set " + quote(label), Err: ErrCharset}
	} else if n > 3*limit {
		return "", &ParseError{Msg: "message is too large", Err: ErrTooLarge}
	}
	return checked(strings.TrimPrefix(b.String(), "\uFEFF"))
}

func checked(s string) (string, error) {
	if utf8.ValidString(s) {
		return s, nil
	}
	at := 0
	for at < len(s) {
		r, n := utf8.DecodeRuneInString(s[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	return "", (&scanner{s: s}).fail(at, "bytes are not UTF-8; is the character set named wrongly?")
}

// quote makes a label from outside safe for an error text.
func quote(label string) string {
	label = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, clip(label))
	return `"` + label + `"`
}

// contentCharset gives the charset parameter of a content type, "" if there is none.
func contentCharset(contentType string) string {
	if contentType == "" || indexFold(contentType, "charset") < 0 {
		return ""
	}
	if _, v, ok := strings.Cut(contentType, "; charset="); ok && strings.Count(contentType, ";") == 1 && !strings.ContainsAny(v, "\"' ,()") {
		return v // the usual form
	}
	if _, params, err := mime.ParseMediaType(contentType); err == nil {
		return strings.TrimSpace(params["charset"])
	}
	// Some clients write parameters that the grammar forbids; take what stands after charset=.
	i := indexFold(contentType, "charset=")
	if i < 0 {
		return ""
	}
	v := contentType[i+len("charset="):]
	if j := strings.IndexAny(v, "; ,"); j >= 0 {
		v = v[:j]
	}
	return strings.Trim(v, `"' `)
}

// indexFold is strings.Index without regard to the case of ASCII letters.
func indexFold(s, lower string) int {
	for i := 0; i+len(lower) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(lower)], lower) {
			return i
		}
	}
	return -1
}

// prologCharset gives the encoding of the XML declaration, which all character sets here spell in ASCII.
func prologCharset(body []byte) string {
	if !bytes.HasPrefix(body, []byte("<?xml")) {
		return ""
	}
	head := body[:min(len(body), 256)]
	end := bytes.Index(head, []byte("?>"))
	if end < 0 {
		return ""
	}
	_, rest, ok := strings.Cut(string(head[:end]), "encoding")
	if !ok {
		return ""
	}
	rest = strings.TrimLeft(rest, " \t\r\n")
	rest, ok = strings.CutPrefix(rest, "=")
	rest = strings.TrimLeft(rest, " \t\r\n")
	if !ok || rest == "" || rest[0] != '"' && rest[0] != '\'' {
		return ""
	}
	label, _, ok := strings.Cut(rest[1:], rest[:1])
	if !ok {
		return ""
	}
	return strings.TrimSpace(label)
}
