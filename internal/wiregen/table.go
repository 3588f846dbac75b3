package wiregen

// Table is a protocol: what both files say.
type Table struct {
	Package  string // name of the Go package
	Tags     []*Tag
	Enums    []*Enum
	Consts   []Const
	Messages []*Message

	tags     map[string]*Tag
	enums    map[string]*Enum
	messages map[string]*Message
}

// Tag is a tag of floating fields.
type Tag struct {
	Name         string
	Number       int // -1 when it is not published
	Type         string
	Max          int
	Since, Until int
	Doc          string
}

// Enum is a group of constants.
type Enum struct {
	Name   string
	Type   string // USHORT, UINT or UCHAR
	Prefix string
	Mask   bool
	Note   string
	Values []Const
}

// Const is a named number.
type Const struct {
	Name  string
	Value uint64
	Doc   string
}

// Message is one message.
type Message struct {
	Name, Direction  string
	Number, Alt      int
	Category, Status string
	Role             string
	Confirm, Answer  string
	Since            int
	InvokeBody       bool
	Header           bool
	ByLength         []LengthVersion
	Doc              string
	Notes            []string
	Known            []string
	Fixed            []*Field
	Floats           []*Field // lists are nodes

	ranks []*Field // floating fields, list members included, in order
	where string
}

// LengthVersion says which version's fixed part a body of a length has.
type LengthVersion struct{ Length, Version int }

// Field is a field, or a list of fields when List is set.
type Field struct {
	Name, Type   string
	Size         int // of a fixed UNSPEC
	Max          int
	MaxBefore    int // version before which MaxOld holds
	MaxOld       int
	Tag          *Tag
	Or           *Tag
	Enum         *Enum
	Since, Until int
	Required     bool
	Always       bool
	Count        bool
	Secret       bool
	Packed       bool
	Assumed      bool
	Typed        string
	Default      string
	Doc          string
	List         *List

	rank   int  // order among the floating fields of the message
	bit    int  // bit in Presence of the struct it stands in
	counts bool // fixed field that counts a list
}

// List is a repeated group of floating fields.
type List struct {
	Name, Count, Entry string
	Max                int
	AnyOrder           bool
	Inline             int // entries that come with the memory of the message
	Fields             []*Field

	lo, hi int // ranks
	outer  *List
}

func (l *List) single() bool { return l.Entry == "-" }

func (m *Message) opaque() bool { return m.Status == "opaque" || m.Header }

// has returns the fixed field of that name, or nil.
func (m *Message) has(name string) *Field {
	for _, f := range m.Fixed {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// invoke reports whether the message has an invoke id.
func (m *Message) invoke() bool { return m.InvokeBody || m.has("InvokeID") != nil }

// entry reports whether the field is a member of a list whose entries are structs.
func (f *Field) always() bool { return f.Required || f.Always || f.Typed != "" }

// since and until of the field, its tag considered.
func (f *Field) versions() (since, until int) {
	since, until = f.Since, f.Until
	if f.Tag != nil {
		since = max(since, f.Tag.Since)
		if f.Tag.Until != 0 && (until == 0 || f.Tag.Until < until) {
			until = f.Tag.Until
		}
	}
	return since, until
}
