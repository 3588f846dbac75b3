package iciprofile

// Status says how sure a name is.
type Status string

// The four grades, as they are spelt in the file.
const (
	Verified Status = "V"
	Indirect Status = "V*"
	Derived  Status = "D"
	Assumed  Status = "A"
)

// Valid reports whether s is one of the four grades.
func (s Status) Valid() bool {
	return s == Verified || s == Indirect || s == Derived || s == Assumed
}

// File is a whole profile, in the order of the text.
//
// Names can be changed by an override. Each struct keeps the name of the built-in profile in a field that no override
// touches: Key for services and codes, Built for the others.
type File struct {
	Wire          []Wire
	Services      []*Service
	Types         []*Type
	Enums         []*Enum
	Faults        []*Fault
	ParamAliases  []Alias
	MemberAliases []Alias
	Secrets       []string

	// Renamed holds parameters that an override renamed in all operations: built-in name to new name.
	Renamed map[string]string
}

// Wire is one name or number of the envelope.
type Wire struct {
	Key, Value string
	Status     Status
	Source     string
}

// Service is one ICI service.
type Service struct {
	Key       string // name in Go: User
	Built     string // name in the built-in profile
	Name      string // name on the wire: IciUser
	Inbound   bool   // SAP calls the connector
	Status    Status
	Source    string
	Purpose   string
	Namespace string
	NSStatus  Status
	Path      string
	Fallback  string // key of the service whose operations are tried next
	Prefix    string // item id prefix
	Ops       []*Op
	Line      int
}

// Op is one operation.
type Op struct {
	Built    string
	Name     string
	Status   Status
	Source   string
	Doc      string
	Since    string
	Channels string
	Aliases  []string
	Params   []Param
	Result   Param
	Faults   []string
	Line     int
}

// Param is one parameter or the result of an operation.
type Param struct {
	Built      string
	Name, Type string
	Status     Status
	Note       string
	Line       int
}

// Type is one data type. Kind is struct, text, base, header or document.
type Type struct {
	Name, Kind string
	Status     Status
	Note       string
	ABAP       string
	Members    []Member
	Line       int
}

// Member is one member of a type.
type Member struct {
	Built      string
	Name, Type string
	Status     Status
	Source     string
	Meaning    string
	Line       int
}

// Enum is one set of codes.
type Enum struct {
	Name, Note string
	Codes      []Code
	Ranges     []Code // open ranges such as 1001..
	Line       int
}

// Code is one code of an Enum. Key is its name in Go.
type Code struct {
	Key    string
	Built  string
	ID     string
	Status Status
	Source string
	Text   string
	Line   int
}

// Fault is one fault code.
type Fault struct {
	Built  string
	Code   string
	Client bool // the caller is at fault
	Status Status
	Text   string
	Note   string
	Line   int
}

// Alias is a second name that a reader accepts.
type Alias struct {
	Name, Alias string
	Status      Status
	Source      string
	Line        int
}

// Service returns the service with the given key, or nil.
func (f *File) Service(key string) *Service {
	for _, s := range f.Services {
		if s.Key == key {
			return s
		}
	}
	return nil
}

// Type returns the type with the given name, or nil.
func (f *File) Type(name string) *Type {
	for _, t := range f.Types {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// ParamNames returns every built-in parameter name once, in the order of first use. The index of a name is its number in Go, less one.
func (f *File) ParamNames() []string {
	var out []string
	seen := map[string]bool{}
	for _, s := range f.Services {
		for _, o := range s.Ops {
			for _, p := range o.Params {
				if !seen[p.Built] {
					seen[p.Built] = true
					out = append(out, p.Built)
				}
			}
		}
	}
	return out
}

// Structs returns the types that become Go structs.
func (f *File) Structs() []*Type {
	var out []*Type
	for _, t := range f.Types {
		if t.Kind == "struct" {
			out = append(out, t)
		}
	}
	return out
}

// IsText reports whether values of the type travel as one text: xsd:string and the types of kind text.
func (f *File) IsText(name string) bool {
	if name == "xsd:string" {
		return true
	}
	t := f.Type(name)
	return t != nil && t.Kind == "text"
}
