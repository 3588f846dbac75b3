package workcenter

import "strconv"

// Most items of one kind that an agent can handle at a time (operations
// reference, section 4.1).
const (
	MaxActionItems = 6
	MaxChats       = 5
)

// Media says what an agent works with. The zero value is nothing at all.
type Media struct {
	// Phone: voice calls.
	Phone bool
	// ActionItems is how many action items run in parallel, 0 (none) to 6.
	ActionItems int
	// Chats is how many chats run in parallel, 0 (none) to 5.
	Chats int
	// Shadow: shadow login.
	Shadow bool
}

// phoneLetters is what an agent works with who names no media (assumed).
const phoneLetters = "p"

// String writes the media as an agent types them, for example "pm2cSL".
func (m Media) String() string {
	b := make([]byte, 0, 8)
	if m.Phone {
		b = append(b, 'p')
	}
	b = appendCount(b, 'm', m.ActionItems)
	b = appendCount(b, 'c', m.Chats)
	if m.Shadow {
		b = append(b, "SL"...)
	}
	return string(b)
}

func appendCount(b []byte, letter byte, n int) []byte {
	if n <= 0 {
		return b
	}
	b = append(b, letter)
	if n > 1 {
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return b
}

// none reports that no medium is chosen; a shadow login alone chooses none.
func (m Media) none() bool { return !m.Phone && m.ActionItems == 0 && m.Chats == 0 }

// ParseMedia reads media letters such as "p", "pm2c3" or "pSL". The empty text
// is the zero Media. A refusal is an [*Error] with ErrMedia and the place of
// the character at fault.
func ParseMedia(s string) (Media, error) {
	m, at := parseMedia(s)
	if at > 0 {
		return Media{}, &Error{Field: FieldMedia, Char: at, Want: wantMedia, Err: ErrMedia}
	}
	return m, nil
}

const wantMedia = "the letters p, m or m2 to m6, c or c2 to c5, SL, each once"

// parseMedia returns the place of the first character at fault, from 1, or 0.
func parseMedia(s string) (m Media, at int) {
	for i := 0; i < len(s); {
		start := i
		c := s[i] | 0x20 // lower case for letters
		i++
		switch {
		case c == 'p' && !m.Phone:
			m.Phone = true
		case c == 'm' && m.ActionItems == 0:
			m.ActionItems, i = count(s, i)
			if m.ActionItems < 1 || m.ActionItems > MaxActionItems {
				return Media{}, i
			}
		case c == 'c' && m.Chats == 0:
			m.Chats, i = count(s, i)
			if m.Chats < 1 || m.Chats > MaxChats {
				return Media{}, i
			}
		case c == 's' && !m.Shadow:
			if i >= len(s) || s[i]|0x20 != 'l' {
				return Media{}, start + 1
			}
			m.Shadow = true
			i++
		default:
			return Media{}, start + 1
		}
	}
	return m, 0
}

// count reads the digit behind a letter; without a digit it is 1.
func count(s string, i int) (n, next int) {
	if i < len(s) && s[i] >= '0' && s[i] <= '9' {
		return int(s[i] - '0'), i + 1
	}
	return 1, i
}
