package ici

import (
	_ "embed"
	"strings"
	"sync"

	"github.com/connects-go/connects/internal/iciprofile"
)

//go:generate go run ../internal/icigen -profile profile.txt -out .

//go:embed profile.txt
var profileText string

// Profile holds every name that goes over the wire, ready for reading and writing. It is immutable and safe for
// concurrent use. [Default] is the built-in one; [Profile.Override] makes one for a site whose SAP system differs.
type Profile struct {
	file     *iciprofile.File
	services []serviceInfo
	ops      []opInfo
	params   []tag
	members  []tag
	types    []typeInfo
	enums    []string
	codes    []codeInfo
	faults   []faultInfo
	wire     []string
	item     tag // row of an array
	result   tag // child of a response when the operation is unknown
	full     bool
	secret   [numParams]bool

	head                       [2]string // start of an envelope up to the header
	headerOpen, headerClose    string
	headerUser, headerLanguage headerTag
	bodyOpen, foot             string
	encodingStyle              string
	faultTag                   tag

	lookup  map[string][]Op // exact name or alias over all services
	folded  map[string][]Op // the same in lower case
	byNS    map[string]Service
	paramBy map[string]Param
	foldedP map[string]Param

	paramBuilt map[string]Param // by the name in the built-in profile
}

type serviceInfo struct {
	name, namespace, path, prefix string
	inbound                       bool
	fallback                      Service
	ops                           map[string]Op // exact name or alias
	folded                        map[string]Op
	status                        Status
}

type opInfo struct {
	service Service
	name    string
	aliases []string
	params  []opParam
	result  tag
	typ     string // type of the result
	open    [2]string
	close   string
	respond [2]string
	respEnd string
	status  Status
}

type opParam struct {
	param Param
	typ   string
	tag   tag
}

type typeInfo struct {
	name    string
	first   int
	aliases []memberAlias
	n       int
}

type memberAlias struct {
	member int
	name   string
}

type codeInfo struct {
	enum   Enum
	id     string
	status Status
}

type faultInfo struct {
	code, text string
	client     bool
}

var defaultProfile = sync.OnceValue(func() *Profile {
	p, err := newProfile(profileText)
	if err != nil {
		panic("ici: built-in profile: " + err.Error()) // a broken build, found by every test
	}
	return p
})

// Default returns the built-in profile.
func Default() *Profile { return defaultProfile() }

func newProfile(text string) (*Profile, error) {
	f, err := iciprofile.Parse("profile.txt", text)
	if err != nil {
		return nil, err
	}
	return compile(f), nil
}

var statusOf = map[iciprofile.Status]Status{
	iciprofile.Verified: Verified,
	iciprofile.Indirect: VerifiedIndirect,
	iciprofile.Derived:  Derived,
	iciprofile.Assumed:  Assumed,
}

// ServiceName gives the name of a service, for example of ServiceUser, or "unknown".
func (p *Profile) ServiceName(s Service) string {
	if s == ServiceUnknown || int(s) >= len(p.services) {
		return "unknown"
	}
	return p.services[s].name
}

// ServicePath gives the URL path of a service below the path of the system.
func (p *Profile) ServicePath(s Service) string {
	if s == ServiceUnknown || int(s) >= len(p.services) {
		return ""
	}
	return p.services[s].path
}

// Namespace gives the XML namespace of a service.
func (p *Profile) Namespace(s Service) string {
	if s == ServiceUnknown || int(s) >= len(p.services) {
		return ""
	}
	return p.services[s].namespace
}

// ItemPrefix gives the text that the ids of our items of that service begin with, for example of ServicePhoneCall. It
// lets the dispatcher tell services apart by the id.
func (p *Profile) ItemPrefix(s Service) string {
	if int(s) >= len(p.services) {
		return ""
	}
	return p.services[s].prefix
}

// OpName gives the name of the operation element, or "unknown".
func (p *Profile) OpName(o Op) string {
	if o == OpUnknown || int(o) >= len(p.ops) {
		return "unknown"
	}
	return p.ops[o].name
}

// OpFullName gives service and operation joined by a dot, or "unknown".
func (p *Profile) OpFullName(o Op) string {
	if o == OpUnknown || int(o) >= len(p.ops) {
		return "unknown"
	}
	return p.services[p.ops[o].service].name + "." + p.ops[o].name
}

// OpService gives the service that an operation belongs to.
func (p *Profile) OpService(o Op) Service {
	if int(o) >= len(p.ops) {
		return ServiceUnknown
	}
	return p.ops[o].service
}

// OpStatus says how sure the name of an operation is.
func (p *Profile) OpStatus(o Op) Status {
	if o == OpUnknown || int(o) >= len(p.ops) {
		return ""
	}
	return p.ops[o].status
}

// ParamName gives the element name of a parameter, or "unknown".
func (p *Profile) ParamName(x Param) string {
	if x == ParamUnknown || int(x) >= len(p.params) {
		return "unknown"
	}
	return p.params[x].name
}

// FaultName gives the text of a fault code in detail/errorCode, or "unknown".
func (p *Profile) FaultName(c FaultCode) string {
	if c == FaultUnknown || int(c) >= len(p.faults) {
		return "unknown"
	}
	return p.faults[c].code
}

// FaultText gives the English default text of a fault code.
func (p *Profile) FaultText(c FaultCode) string {
	if c == FaultUnknown || int(c) >= len(p.faults) {
		c = FaultGeneric
	}
	return p.faults[c].text
}

// Code gives the text of a code on the wire: "2" for WorkmodeReady.
func (p *Profile) Code(c Code) string {
	if int(c) >= len(p.codes) {
		return ""
	}
	return p.codes[c].id
}

// CodeOf finds the code with the given wire text in one set, or CodeUnknown.
func (p *Profile) CodeOf(e Enum, id string) Code {
	for c := range p.codes {
		if p.codes[c].enum == e && p.codes[c].id == id && c != 0 {
			return Code(c)
		}
	}
	return CodeUnknown
}

// Element makes a TextElement of a code and its text in the agent's language.
func (p *Profile) Element(c Code, text string) TextElement {
	return TextElement{ID: p.Code(c), Description: text}
}

// Wire gives one name or number of the envelope.
func (p *Profile) Wire(w Wire) string {
	if int(w) >= len(p.wire) {
		return ""
	}
	return p.wire[w]
}

// member finds a member of a struct type by its element name: exactly, by alias, then without regard to case. -1 = none.
func (p *Profile) member(t typeID, name string) int {
	ti := &p.types[t]
	ms := p.members[ti.first : ti.first+ti.n]
	for i := range ms {
		if ms[i].name == name {
			return i
		}
	}
	for _, a := range ti.aliases {
		if a.name == name {
			return a.member
		}
	}
	for i := range ms {
		if strings.EqualFold(ms[i].name, name) {
			return i
		}
	}
	return -1
}
