package outboundcsv

import (
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

var encodings = []string{"windows-1252", "iso-8859-1", "ascii", "utf-8", "utf-16le"}

// encoder writes text in the encoding of a profile and knows exactly which
// characters it cannot write.
type encoder struct {
	single *charmap.Charmap
	latin  *[latinEnd]byte // of single, for the characters that nearly all names have; 0 = none
	utf16  bool
	ascii  bool
}

// latinEnd is the first character that can combine with the one before it; a text of
// smaller ones is always in Unicode NFC.
const latinEnd = 0x300

func newSingle(c *charmap.Charmap) encoder {
	t := new([latinEnd]byte)
	for r := rune(1); r < latinEnd; r++ {
		if b, ok := c.EncodeRune(r); ok {
			t[r] = b
		}
	}
	return encoder{single: c, latin: t}
}

func newEncoder(name string) encoder {
	switch name {
	case "windows-1252":
		return newSingle(charmap.Windows1252)
	case "iso-8859-1":
		return newSingle(charmap.ISO8859_1)
	case "ascii":
		return encoder{ascii: true}
	case "utf-16le":
		return encoder{utf16: true}
	}
	return encoder{}
}

// bom is what a file in this encoding begins with.
func (e *encoder) bom() string {
	if e.utf16 {
		return "\xFF\xFE"
	}
	return ""
}

// can reports whether the encoding has the character.
func (e *encoder) can(r rune) bool {
	switch {
	case r < 0x80:
		return true
	case e.ascii:
		return false
	case e.single != nil && r < latinEnd:
		return e.latin[r] != 0
	case e.single != nil:
		_, ok := e.single.EncodeRune(r)
		return ok
	}
	return true
}

// appendASCII writes a text of ASCII characters.
func (e *encoder) appendASCII(dst, s []byte) []byte {
	if !e.utf16 {
		return append(dst, s...)
	}
	for _, c := range s {
		dst = append(dst, c, 0)
	}
	return dst
}

// append writes s, which has only characters that the encoding can write.
func (e *encoder) append(dst []byte, s string) []byte {
	switch {
	case e.utf16:
		for _, r := range s {
			dst = utf16le(dst, r)
		}
	case e.single != nil:
		from := 0 // ASCII goes in one piece
		for i, r := range s {
			if r < utf8.RuneSelf {
				continue
			}
			dst = append(dst, s[from:i]...)
			_, width := utf8.DecodeRuneInString(s[i:])
			from = i + width
			if r < latinEnd {
				dst = append(dst, e.latin[r])
				continue
			}
			b, _ := e.single.EncodeRune(r)
			dst = append(dst, b)
		}
		dst = append(dst, s[from:]...)
	default:
		dst = append(dst, s...)
	}
	return dst
}

func utf16le(dst []byte, r rune) []byte {
	if r1, r2 := utf16.EncodeRune(r); r1 != utf8.RuneError {
		return append(dst, byte(r1), byte(r1>>8), byte(r2), byte(r2>>8))
	}
	return append(dst, byte(r), byte(r>>8))
}
