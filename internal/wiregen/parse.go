package wiregen

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// SyntaxError is an error of a table: where and what.
type SyntaxError struct {
	File string
	Line int
	Text string
}

// Error implements error.
func (e *SyntaxError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Text) }

// Parse reads the two files of a protocol and checks them.
func Parse(pkg string, enumsFile string, enums io.Reader, messagesFile string, messages io.Reader) (*Table, error) {
	t := &Table{
		Package:  pkg,
		tags:     map[string]*Tag{},
		enums:    map[string]*Enum{},
		messages: map[string]*Message{},
	}
	if err := t.lines(enumsFile, enums, (&enumParser{t: t}).line); err != nil {
		return nil, err
	}
	mp := &messageParser{t: t, file: messagesFile}
	if err := t.lines(messagesFile, messages, mp.line); err != nil {
		return nil, err
	}
	if len(mp.lists) > 0 {
		return nil, &SyntaxError{messagesFile, mp.n, "list without end"}
	}
	return t, t.check(messagesFile)
}

// lines calls f for every line that means something.
func (t *Table) lines(file string, r io.Reader, f func(n int, words []string, doc string) error) error {
	sc := bufio.NewScanner(r)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		text, doc, _ := strings.Cut(line, " -- ")
		if err := f(n, strings.Fields(text), strings.TrimSpace(doc)); err != nil {
			return &SyntaxError{file, n, err.Error()}
		}
	}
	return sc.Err()
}

func want(words []string, n int, form string) error {
	if len(words) < n {
		return fmt.Errorf("%s: want %s", words[0], form)
	}
	return nil
}

func number(word string) (int, error) {
	n, err := strconv.Atoi(word)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is no number", word)
	}
	return n, nil
}

type enumParser struct {
	t   *Table
	cur *Enum
}

func (p *enumParser) line(_ int, w []string, doc string) error {
	switch w[0] {
	case "enum", "mask":
		if err := want(w, 4, "NAME TYPE PREFIX"); err != nil {
			return err
		}
		if p.t.enums[w[1]] != nil {
			return fmt.Errorf("group %s is there already", w[1])
		}
		p.cur = &Enum{Name: w[1], Type: w[2], Prefix: strings.TrimPrefix(w[3], "-"), Mask: w[0] == "mask", Note: doc}
		p.t.Enums = append(p.t.Enums, p.cur)
		p.t.enums[w[1]] = p.cur
		return nil
	case "note":
		if p.cur == nil {
			return fmt.Errorf("note before a group")
		}
		p.cur.Note = strings.Join(w[1:], " ")
		return nil
	case "value", "const":
		if err := want(w, 3, "NAME NUMBER"); err != nil {
			return err
		}
		v, err := strconv.ParseUint(w[2], 0, 32)
		if err != nil {
			return fmt.Errorf("%q is no number of 32 bits", w[2])
		}
		c := Const{Name: w[1], Value: v, Doc: doc}
		if w[0] == "const" {
			p.t.Consts = append(p.t.Consts, c)
			return nil
		}
		if p.cur == nil {
			return fmt.Errorf("value before a group")
		}
		p.cur.Values = append(p.cur.Values, c)
		return nil
	}
	return fmt.Errorf("unknown keyword %q", w[0])
}

type messageParser struct {
	t     *Table
	file  string
	n     int
	cur   *Message
	lists []*List
}

var (
	directions = []string{"client->server", "server->client", "both"}
	statuses   = []string{"verified", "assumed", "opaque"}
	roles      = []string{"request", "confirm", "event", "send"}
	wireTypes  = []string{"CHAR", "UCHAR", "SHORT", "USHORT", "INT", "UINT", "ULONG", "BOOL", "TIME", "STRING",
		"UNSPEC", "NAMEDVAR", "NAMEDARRAY", "TASKID"}
)

func (p *messageParser) line(n int, w []string, doc string) error {
	p.n = n
	switch w[0] {
	case "tag":
		return p.tag(w, doc)
	case "message":
		return p.message(w)
	}
	if p.cur == nil {
		return fmt.Errorf("%s before a message", w[0])
	}
	switch w[0] {
	case "fixed":
		return p.fixed(w, doc)
	case "field":
		return p.field(w, doc)
	case "list":
		return p.list(w)
	case "end":
		if len(p.lists) == 0 {
			return fmt.Errorf("end without a list")
		}
		p.lists = p.lists[:len(p.lists)-1]
		return nil
	}
	return p.property(w)
}

func (p *messageParser) tag(w []string, doc string) error {
	if err := want(w, 5, "NAME NUMBER TYPE SIZE"); err != nil {
		return err
	}
	if p.t.tags[w[1]] != nil {
		return fmt.Errorf("tag %s is there already", w[1])
	}
	t := &Tag{Name: w[1], Number: -1, Type: w[3], Doc: doc}
	var err error
	if w[2] != "?" {
		if t.Number, err = number(w[2]); err != nil {
			return err
		}
	}
	if t.Max, err = number(w[4]); err != nil {
		return err
	}
	for _, o := range w[5:] {
		k, v, _ := strings.Cut(o, "=")
		switch k {
		case "since":
			t.Since, err = number(v)
		case "until":
			t.Until, err = number(v)
		default:
			return fmt.Errorf("unknown option %q", o)
		}
		if err != nil {
			return err
		}
	}
	p.t.Tags = append(p.t.Tags, t)
	p.t.tags[t.Name] = t
	return nil
}

func (p *messageParser) message(w []string) error {
	if err := want(w, 4, "NAME NUMBER DIRECTION"); err != nil {
		return err
	}
	if len(p.lists) > 0 {
		return fmt.Errorf("list without end before message %s", w[1])
	}
	n, err := number(w[2])
	if err != nil {
		return err
	}
	if !slices.Contains(directions, w[3]) {
		return fmt.Errorf("unknown direction %q", w[3])
	}
	if p.t.messages[w[1]] != nil {
		return fmt.Errorf("message %s is there already", w[1])
	}
	p.cur = &Message{Name: w[1], Number: n, Direction: w[3], where: fmt.Sprintf("%s:%d", p.file, p.n)}
	p.t.Messages = append(p.t.Messages, p.cur)
	p.t.messages[w[1]] = p.cur
	return nil
}

func (p *messageParser) property(w []string) error {
	m, rest := p.cur, strings.Join(w[1:], " ")
	if rest == "" && w[0] != "header" {
		return fmt.Errorf("%s says nothing", w[0])
	}
	var err error
	switch w[0] {
	case "category":
		m.Category = rest
	case "status":
		err = oneOf(rest, statuses)
		m.Status = rest
	case "role":
		err = oneOf(rest, roles)
		m.Role = rest
	case "confirm":
		m.Confirm = rest
	case "answer":
		m.Answer = rest
	case "since":
		m.Since, err = number(rest)
	case "alt":
		m.Alt, err = number(rest)
	case "invoke":
		err = oneOf(rest, []string{"body"})
		m.InvokeBody = true
	case "header":
		m.Header = true
	case "doc":
		m.Doc = rest
	case "note":
		m.Notes = append(m.Notes, rest)
	case "known":
		m.Known = append(m.Known, w[1:]...)
	case "bylength":
		for _, o := range w[1:] {
			var lv LengthVersion
			if _, err := fmt.Sscanf(o, "%d=%d", &lv.Length, &lv.Version); err != nil {
				return fmt.Errorf("bylength: want LENGTH=VERSION, have %q", o)
			}
			m.ByLength = append(m.ByLength, lv)
		}
	default:
		return fmt.Errorf("unknown keyword %q", w[0])
	}
	return err
}

func oneOf(word string, words []string) error {
	if !slices.Contains(words, word) {
		return fmt.Errorf("%q is none of %s", word, strings.Join(words, ", "))
	}
	return nil
}

func (p *messageParser) fixed(w []string, doc string) error {
	if err := want(w, 3, "NAME TYPE"); err != nil {
		return err
	}
	typ, size, sized := strings.Cut(w[2], ":")
	f := &Field{Name: w[1], Type: typ, Doc: doc}
	var err error
	if sized {
		if f.Size, err = number(size); err != nil {
			return err
		}
	}
	if err := p.options(f, w[3:]); err != nil {
		return err
	}
	if p.cur.has(f.Name) != nil {
		return fmt.Errorf("field %s is there already", f.Name)
	}
	p.cur.Fixed = append(p.cur.Fixed, f)
	return nil
}

func (p *messageParser) field(w []string, doc string) error {
	if err := want(w, 5, "NAME TYPE MAX TAG"); err != nil {
		return err
	}
	f := &Field{Name: w[1], Type: w[2], Doc: doc, Tag: p.t.tags[w[4]]}
	if f.Tag == nil {
		return fmt.Errorf("unknown tag %s", w[4])
	}
	var err error
	if f.Max, err = number(w[3]); err != nil {
		return err
	}
	if err := p.options(f, w[5:]); err != nil {
		return err
	}
	p.add(f)
	return nil
}

func (p *messageParser) add(f *Field) {
	if n := len(p.lists); n > 0 {
		l := p.lists[n-1]
		l.Fields = append(l.Fields, f)
		return
	}
	p.cur.Floats = append(p.cur.Floats, f)
}

func (p *messageParser) list(w []string) error {
	if err := want(w, 4, "NAME COUNT ENTRY"); err != nil {
		return err
	}
	l := &List{Name: w[1], Count: w[2], Entry: w[3]}
	var err error
	for _, o := range w[4:] {
		k, v, _ := strings.Cut(o, "=")
		switch k {
		case "max":
			l.Max, err = number(v)
		case "inline":
			l.Inline, err = number(v)
		case "anyorder":
			l.AnyOrder = true
		default:
			return fmt.Errorf("unknown option %q", o)
		}
		if err != nil {
			return err
		}
	}
	if n := len(p.lists); n > 0 {
		l.outer = p.lists[n-1]
	}
	p.add(&Field{Name: l.Name, List: l})
	p.lists = append(p.lists, l)
	return nil
}

func (p *messageParser) options(f *Field, words []string) error {
	if err := oneOf(f.Type, wireTypes); err != nil {
		return err
	}
	for _, o := range words {
		k, v, _ := strings.Cut(o, "=")
		var err error
		switch {
		case k == "since":
			f.Since, err = number(v)
		case k == "until":
			f.Until, err = number(v)
		case k == "enum":
			if f.Enum = p.t.enums[v]; f.Enum == nil {
				err = fmt.Errorf("unknown group %q", v)
			}
		case k == "required":
			f.Required = true
		case k == "always":
			f.Always = true
		case k == "typed":
			f.Typed = v
		case k == "default":
			f.Default = v
		case k == "count":
			f.Count = true
		case k == "secret":
			f.Secret = true
		case k == "packed":
			f.Packed = true
		case k == "assumed":
			f.Assumed = true
		case k == "or":
			if f.Or = p.t.tags[v]; f.Or == nil {
				err = fmt.Errorf("unknown tag %q", v)
			}
		case strings.HasPrefix(k, "max<"):
			if f.MaxBefore, err = number(k[4:]); err == nil {
				f.MaxOld, err = number(v)
			}
		default:
			err = fmt.Errorf("unknown option %q", o)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
