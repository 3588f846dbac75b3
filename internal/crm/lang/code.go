package lang

// MaxCode is the longest language code that is looked at, in bytes.
const MaxCode = 16

// sapLetters are the one-letter codes in which SAP stores languages (SPRAS);
// taken from SAP's public list of languages, their use here is assumed. Letters
// mind the case: A is Arabic, a is Afrikaans.
var sapLetters = [128]string{
	'0': "SR", '1': "ZH", '2': "TH", '3': "KO", '4': "RO", '5': "SL", '6': "HR", '7': "MS", '8': "UK", '9': "ET",
	'A': "AR", 'B': "HE", 'C': "CS", 'D': "DE", 'E': "EN", 'F': "FR", 'G': "EL", 'H': "HU", 'I': "IT", 'J': "JA",
	'K': "DA", 'L': "PL", 'M': "ZF", 'N': "NL", 'O': "NO", 'P': "PT", 'Q': "SK", 'R': "RU", 'S': "ES", 'T': "TR",
	'U': "FI", 'V': "SV", 'W': "BG", 'X': "LT", 'Y': "LV",
	'a': "AF", 'b': "IS", 'c': "CA", 'd': "SH", 'i': "ID",
}

// Normalize returns the two-letter code of a language in capitals, or "" for
// what is none. It takes the code in any case, with a country ("de-CH",
// "de_CH"), and SAP's one-letter codes. It allocates nothing.
func Normalize(code string) string {
	code = trimBlanks(code)
	if code == "" || len(code) > MaxCode {
		return ""
	}
	if len(code) == 1 {
		if code[0] < 128 {
			if s := sapLetters[code[0]]; s != "" {
				return s
			}
			// A small letter that SAP does not use, for example e.
			return sapLetters[upper(code[0])]
		}
		return ""
	}
	if len(code) > 2 && code[2] != '-' && code[2] != '_' {
		return ""
	}
	a, b := upper(code[0]), upper(code[1])
	if a < 'A' || a > 'Z' || (b < 'A' || b > 'Z') && (b < '0' || b > '9') {
		return ""
	}
	if a == code[0] && b == code[1] {
		return code[:2]
	}
	i := int(a-'A') * pairWidth
	if b >= 'A' {
		i += int(b - 'A')
	} else {
		i += 26 + int(b-'0')
	}
	return pairs[2*i : 2*i+2]
}

const pairWidth = 36

// pairs holds all two-letter codes one after the other, so that a code in small
// letters finds its capitals without an allocation.
var pairs = makePairs()

func makePairs() string {
	b := make([]byte, 0, 26*pairWidth*2)
	for a := byte('A'); a <= 'Z'; a++ {
		for c := byte('A'); c <= 'Z'; c++ {
			b = append(b, a, c)
		}
		for c := byte('0'); c <= '9'; c++ {
			b = append(b, a, c)
		}
	}
	return string(b)
}

func upper(c byte) byte {
	if c >= 'a' && c <= 'z' {
		return c - ('a' - 'A')
	}
	return c
}

func trimBlanks(s string) string {
	for s != "" && s[0] <= ' ' {
		s = s[1:]
	}
	for s != "" && s[len(s)-1] <= ' ' {
		s = s[:len(s)-1]
	}
	return s
}
