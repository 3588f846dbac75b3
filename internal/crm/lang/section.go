package lang

import (
	"strconv"
	"strings"
)

// Section is one kind of texts; its [Section.String] is its name in the files.
type Section uint8

// The sections. All names but workModeSupplementary are assumed.
const (
	// WorkMode holds the fixed work modes 1 to 4.
	WorkMode Section = iota
	// WorkModeSupplementary holds the not-ready reasons, above 999 (verified).
	WorkModeSupplementary
	// CallStatus holds the states of a call (ICI PhoneCallStatus).
	CallStatus
	// CallReason holds why a call is there (ICI CallReason).
	CallReason
	// ChatStatus holds the states of a chat.
	ChatStatus
	// ActionStatus holds the states of an action item.
	ActionStatus
	// MessageStatus holds the states of a message.
	MessageStatus
	// PresenceStatus holds what other agents see of an agent.
	PresenceStatus
	// Capability holds the functions of the toolbar, by name.
	Capability
	// Fault holds the reasons of refusals, by name.
	Fault
	// Text holds everything else, by name.
	Text

	sections // their number
)

// about is the one table of the sections.
var about = [sections]struct {
	name    string
	numeric bool
}{
	WorkMode:              {"workMode", true},
	WorkModeSupplementary: {"workModeSupplementary", true},
	CallStatus:            {"callStatus", true},
	CallReason:            {"callReason", true},
	ChatStatus:            {"chatStatus", true},
	ActionStatus:          {"actionStatus", true},
	MessageStatus:         {"messageStatus", true},
	PresenceStatus:        {"presenceStatus", true},
	Capability:            {"capability", false},
	Fault:                 {"fault", false},
	Text:                  {"text", false},
}

// Sections returns all sections in their order.
func Sections() []Section {
	all := make([]Section, sections)
	for i := range all {
		all[i] = Section(i)
	}
	return all
}

// String returns the section's name in a file.
func (s Section) String() string {
	if s >= sections {
		return "Section(" + strconv.Itoa(int(s)) + ")"
	}
	return about[s].name
}

// Numeric reports whether the entries are numbers; else they are names.
func (s Section) Numeric() bool { return s < sections && about[s].numeric }

func sectionByName(name string) (Section, bool) {
	for i := range about {
		if strings.EqualFold(about[i].name, name) {
			return Section(i), true
		}
	}
	return 0, false
}
