// Package workcenter reads the text that an agent types as "work center" when
// SAP logs him on to the contact center: who he is, his password, his device
// and the media he works with.
//
// # Forms
//
// The fields are separated by semicolons. Which fields there are is set by the
// login type (the old product's AgentLoginType):
//
//	0    agentid;password;device[;media]
//	1    password;device[;media]
//	5    agentname;password;device[;media]
//	21   device[;media]
//
// Types 1 and 21 name no agent. The agent id then comes from the SAP user by a
// [Mapper]. The forms and the media letters are those of the ICI reference,
// section 8.1, and of the operations reference, section 4.1.
//
// # Media
//
// The media are letters in any order, each at most once:
//
//	p     phone
//	m     action items, one at a time; m2 to m6: so many in parallel
//	c     chat, one at a time; c2 to c5: so many in parallel
//	SL    shadow login, only where Config.AllowShadow permits it
//
// # What the references leave open
//
// This table is the only place where the package goes beyond its sources.
//
//	no media field, or an empty one     Config.DefaultMedia, else phone only
//	letters in the other case           accepted, also m1 and c1
//	SL without another letter           the default media, as a shadow login
//	blanks around a field               dropped, except around the password
//	default password set                the password field may be empty, or left out
//	                                    with its semicolon; a typed one wins
//	"a;b;c" while a default is set      c is the media when it reads as media or is
//	                                    empty, else b is the password and c the device
//	no default password                 an empty password is an error, unless
//	                                    Config.AllowEmptyPassword (agents without one)
//	type 21                             the default password, else an empty one
//	semicolon in a password             not possible: use type 21 and a default
//	agent name (type 5)                 taken as it is; Config.AgentByName may turn
//	                                    it into an id
//
// # Errors
//
// Every refusal is an [*Error] that names the field, its place and the form
// that was expected. It never holds anything that was typed, because what
// stands in the wrong place may be the password.
//
// # Concurrency
//
// A [Parser] never changes; any number of goroutines may use it.
package workcenter
