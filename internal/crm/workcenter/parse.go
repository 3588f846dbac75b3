package workcenter

import (
	"context"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Longest fields in bytes, without the terminating zero (SET_AGENT_STATE_REQ;
// the login name: CCE reference, section 5.1). maxText is our limit.
const (
	maxAgentID   = 11
	maxAgentName = 255
	maxPassword  = 63
	maxDevice    = 63
	maxText      = 512
)

// Parser reads work center texts. It never changes and any goroutine may use it.
type Parser struct {
	cfg  Config
	want string
}

// New makes a Parser; nil is the zero [Config]. The error reports everything
// that is wrong with the configuration.
func New(cfg *Config) (*Parser, error) {
	p := &Parser{}
	if cfg != nil {
		p.cfg = *cfg
	}
	if err := p.cfg.validate(); err != nil {
		return nil, err
	}
	if p.cfg.DefaultMedia.none() {
		shadow := p.cfg.DefaultMedia.Shadow
		p.cfg.DefaultMedia, _ = parseMedia(phoneLetters)
		p.cfg.DefaultMedia.Shadow = shadow
	}
	p.want = p.cfg.Type.Form()
	return p, nil
}

// Form returns what an agent has to type, for example "device[;media]".
func (p *Parser) Form() string { return p.want }

// Parse reads the text that the SAP user typed. A refusal is an [*Error]. Parse
// waits for nothing but the configured [Mapper].
func (p *Parser) Parse(ctx context.Context, user, text string) (*Login, error) {
	if len(text) > maxText {
		return nil, p.fail(FieldText, 0, 0, ErrTooLong)
	}
	if !utf8.ValidString(text) {
		return nil, p.fail(FieldText, 0, 0, ErrCharacter)
	}
	if strings.TrimSpace(text) == "" {
		return nil, p.fail(FieldText, 0, 0, ErrMissing)
	}
	typed := strings.Split(text, ";")
	order, err := p.order(typed)
	if err != nil {
		return nil, err
	}
	l := &Login{Type: p.cfg.Type}
	seenMedia := false
	for i, f := range order {
		value := typed[i]
		if f != FieldPassword {
			value = strings.TrimSpace(value)
		}
		switch f {
		case FieldAgentID:
			l.AgentID = value
			err = p.check(f, i+1, value, maxAgentID)
		case FieldAgentName:
			l.AgentName = value
			err = p.check(f, i+1, value, maxAgentName)
		case FieldDevice:
			l.Device = value
			err = p.check(f, i+1, value, maxDevice)
		case FieldPassword:
			err = p.password(l, i+1, value)
		case FieldMedia:
			seenMedia = true
			err = p.media(l, i+1, value)
		}
		if err != nil {
			return nil, err
		}
	}
	if !seenMedia {
		l.Media = p.cfg.DefaultMedia
	}
	if !slices.Contains(order, FieldPassword) {
		l.Password, l.DefaultPassword = p.cfg.DefaultPassword, true
	}
	if err := p.mapAgent(ctx, l, user); err != nil {
		return nil, err
	}
	return l, nil
}

// order says which field stands at which place of the typed ones.
func (p *Parser) order(typed []string) ([]Field, error) {
	full := p.cfg.Type.fields()
	n := len(typed)
	if n > len(full)+1 {
		return nil, p.fail(FieldText, 0, 0, ErrTooMany)
	}
	if p.cfg.DefaultPassword != "" && slices.Contains(full, FieldPassword) && n <= len(full) {
		short := without(slices.Clone(full), FieldPassword)
		switch {
		case n == len(short):
			return short, nil
		case n == len(short)+1 && isMedia(typed[n-1]):
			return append(short, FieldMedia), nil
		}
	}
	if n < len(full) {
		return nil, p.fail(full[n], n+1, 0, ErrMissing)
	}
	if n > len(full) {
		full = append(full, FieldMedia)
	}
	return full, nil
}

// isMedia reports whether a field reads as media; the empty one does.
func isMedia(s string) bool {
	_, at := parseMedia(strings.TrimSpace(s))
	return at == 0
}

func (p *Parser) password(l *Login, place int, value string) error {
	switch {
	case value != "":
		l.Password = Secret(value)
		if len(value) > maxPassword {
			return p.fail(FieldPassword, place, 0, ErrTooLong)
		}
		// No place here: even where the odd character stands says something.
		if badChar(value, false) > 0 {
			return p.fail(FieldPassword, place, 0, ErrCharacter)
		}
	case p.cfg.DefaultPassword != "":
		l.Password, l.DefaultPassword = p.cfg.DefaultPassword, true
	case !p.cfg.AllowEmptyPassword:
		return p.fail(FieldPassword, place, 0, ErrMissing)
	}
	return nil
}

func (p *Parser) media(l *Login, place int, value string) error {
	m, at := parseMedia(value)
	if at > 0 {
		return p.fail(FieldMedia, place, at, ErrMedia)
	}
	if m.Shadow && !p.cfg.AllowShadow {
		return p.fail(FieldMedia, place, 0, ErrShadow)
	}
	if m.none() {
		shadow := m.Shadow
		m = p.cfg.DefaultMedia
		m.Shadow = m.Shadow || shadow
	}
	l.Media = m
	return nil
}

// mapAgent finds the agent id that was not typed.
func (p *Parser) mapAgent(ctx context.Context, l *Login, user string) error {
	find, name := p.cfg.AgentByUser, user
	switch {
	case l.Type == TypeAgentName && p.cfg.AgentByName != nil:
		find, name = p.cfg.AgentByName, l.AgentName
	case !l.Type.Mapped():
		return nil
	}
	id, err := find(ctx, name)
	if err == nil && id == "" {
		err = ErrNoAgent
	}
	if err != nil {
		return p.fail(FieldAgentID, 0, 0, err)
	}
	l.AgentID = id
	return p.check(FieldAgentID, 0, id, maxAgentID)
}

// check looks at a field that must have a value without blanks.
func (p *Parser) check(f Field, place int, value string, max int) error {
	if value == "" {
		return p.fail(f, place, 0, ErrMissing)
	}
	if len(value) > max {
		return p.fail(f, place, 0, ErrTooLong)
	}
	if at := badChar(value, true); at > 0 {
		return p.fail(f, place, at, ErrCharacter)
	}
	return nil
}

func (p *Parser) fail(f Field, place, char int, err error) *Error {
	return &Error{Type: p.cfg.Type, Field: f, Place: place, Char: char, Want: p.want, Err: err}
}

// badChar returns the place of the first control character (or blank), from 1.
func badChar(s string, blanks bool) int {
	n := 0
	for _, r := range s {
		n++
		if unicode.IsControl(r) || blanks && unicode.IsSpace(r) {
			return n
		}
	}
	return 0
}

func without(fields []Field, f Field) []Field {
	return slices.DeleteFunc(fields, func(x Field) bool { return x == f })
}
