package presence

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// special are the letters that do not come apart into a letter and an accent.
var special = strings.NewReplacer(
	"ß", "ss", "ẞ", "ss", "æ", "ae", "œ", "oe", "ø", "o", "đ", "d", "ð", "d", "ł", "l", "ı", "i", "þ", "th", "ŋ", "n", "ħ", "h", "ŧ", "t",
)

// german are the other spellings of letters with an umlaut and the like.
var german = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ø", "oe", "å", "aa")

// Fold returns the text in the form in which names are compared: small letters
// without accents.
func Fold(s string) string {
	if isLower(s) {
		return s
	}
	return stripped(strings.ToLower(s))
}

// stripped removes the accents of a text in small letters.
func stripped(lower string) string {
	if ascii(lower) {
		return lower
	}
	var b strings.Builder
	for _, r := range norm.NFD.String(special.Replace(lower)) {
		// Marks of scripts where they are letters in their own right stay.
		if unicode.Is(unicode.Mn, r) && (r <= 0x036F || r >= 0x1AB0 && r <= 0x1AFF || r >= 0x1DC0 && r <= 0x1DFF) {
			continue
		}
		b.WriteRune(r)
	}
	return norm.NFC.String(b.String())
}

// spelled is Fold with umlauts written as two letters.
func spelled(s string) string {
	return stripped(german.Replace(norm.NFC.String(strings.ToLower(s))))
}

// isLower reports ASCII text that Fold leaves alone.
func isLower(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || c >= 'A' && c <= 'Z' {
			return false
		}
	}
	return true
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// words returns the names by which an agent is found, each once: first and last
// name, their words, the parts of words with a hyphen, in both spellings.
func words(names ...string) []string {
	var out []string
	add := func(s string) {
		for _, have := range out {
			if have == s {
				return
			}
		}
		if s != "" {
			out = append(out, s)
		}
	}
	for _, name := range names {
		for _, w := range strings.Fields(name) {
			for _, form := range [...]string{Fold(w), spelled(w)} {
				add(form)
				if strings.ContainsAny(form, hyphens) {
					for _, part := range strings.FieldsFunc(form, isHyphen) {
						add(part)
					}
				}
			}
		}
	}
	return out
}

const hyphens = "-\u2010\u2011"

func isHyphen(r rune) bool { return strings.ContainsRune(hyphens, r) }
