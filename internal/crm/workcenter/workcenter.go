package workcenter

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// LoginType selects the form of the work center text. The numbers are those of
// the old product's setting AgentLoginType.
type LoginType int

// The login types.
const (
	// TypeAgentID is agentid;password;device[;media].
	TypeAgentID LoginType = 0
	// TypePassword is password;device[;media]; the agent id is mapped.
	TypePassword LoginType = 1
	// TypeAgentName is agentname;password;device[;media].
	TypeAgentName LoginType = 5
	// TypeDevice is device[;media]; the agent id is mapped.
	TypeDevice LoginType = 21
)

// fields returns the fields before the media, nil for an unknown type.
func (t LoginType) fields() []Field {
	switch t {
	case TypeAgentID:
		return []Field{FieldAgentID, FieldPassword, FieldDevice}
	case TypePassword:
		return []Field{FieldPassword, FieldDevice}
	case TypeAgentName:
		return []Field{FieldAgentName, FieldPassword, FieldDevice}
	case TypeDevice:
		return []Field{FieldDevice}
	}
	return nil
}

// Valid reports whether the type is one of the four.
func (t LoginType) Valid() bool { return t.fields() != nil }

// Mapped reports whether the text names no agent, so that a [Mapper] is needed.
func (t LoginType) Mapped() bool { return t == TypePassword || t == TypeDevice }

// Form returns the form of the text, for example "device[;media]"; empty for an
// unknown type. It is a fit label for the input field of the agent.
func (t LoginType) Form() string {
	var b strings.Builder
	for _, f := range t.fields() {
		b.WriteString(string(f) + ";")
	}
	if b.Len() == 0 {
		return ""
	}
	return strings.TrimSuffix(b.String(), ";") + "[;media]"
}

// String returns the number and the form.
func (t LoginType) String() string {
	if !t.Valid() {
		return "LoginType(" + strconv.Itoa(int(t)) + ")"
	}
	return strconv.Itoa(int(t)) + " (" + t.Form() + ")"
}

// Login is a work center text that was understood.
type Login struct {
	// Type is the form that was used.
	Type LoginType
	// AgentID is the agent's number at the peripheral, typed or mapped. It is
	// empty for TypeAgentName without Config.AgentByName.
	AgentID string
	// AgentName is the agent's login name; only TypeAgentName has one.
	AgentName string
	// Password is the typed or the default password.
	Password Secret
	// DefaultPassword: the password was not typed.
	DefaultPassword bool
	// Device is the agent's telephone, usually its extension.
	Device string
	// Media is what the agent works with; never empty.
	Media Media
}

// Mapper finds the agent id for a SAP user, or for an agent name. It may be
// called from several goroutines. It returns ErrNoAgent, wrapped or not, for
// one it does not know. A Mapper that asks a directory must honour ctx.
type Mapper func(ctx context.Context, name string) (agentID string, err error)

// MapUsers returns a [Mapper] over a table from SAP user to agent id. It copies
// the table. Case does not matter, since SAP user names have none.
func MapUsers(table map[string]string) Mapper {
	ids := make(map[string]string, len(table))
	for user, id := range table {
		ids[strings.ToUpper(strings.TrimSpace(user))] = id
	}
	return func(_ context.Context, user string) (string, error) {
		if id := ids[strings.ToUpper(strings.TrimSpace(user))]; id != "" {
			return id, nil
		}
		return "", ErrNoAgent
	}
}

// Config sets up a [Parser]. The zero value is type 0 without a default password.
type Config struct {
	// Type is the form of the text (AgentLoginType).
	Type LoginType
	// DefaultPassword is used when none is typed (AgentDefaultPassword).
	DefaultPassword Secret
	// AllowEmptyPassword lets an agent without a password log in when there is
	// no default.
	AllowEmptyPassword bool
	// DefaultMedia is what an agent works with who names no media; zero means phone.
	DefaultMedia Media
	// AllowShadow permits SL (AgentShadowLogin=2).
	AllowShadow bool
	// AgentByUser finds the agent id of a SAP user; types 1 and 21 need it.
	AgentByUser Mapper
	// AgentByName finds the agent id of an agent name (type 5); nil leaves the
	// id empty.
	AgentByName Mapper
}

// validate reports all problems.
func (c *Config) validate() error {
	var errs []error
	if !c.Type.Valid() {
		errs = append(errs, fmt.Errorf("workcenter: Type=%d is not one of 0, 1, 5, 21", int(c.Type)))
	}
	if c.Type.Mapped() && c.AgentByUser == nil {
		errs = append(errs, fmt.Errorf("workcenter: Type=%d needs AgentByUser", int(c.Type)))
	}
	if n := len(c.DefaultPassword); n > maxPassword {
		errs = append(errs, fmt.Errorf("workcenter: DefaultPassword has %d bytes, at most %d", n, maxPassword))
	}
	if badChar(string(c.DefaultPassword), false) > 0 {
		errs = append(errs, errors.New("workcenter: DefaultPassword holds a control character"))
	}
	if m := c.DefaultMedia; m.ActionItems < 0 || m.ActionItems > MaxActionItems || m.Chats < 0 || m.Chats > MaxChats {
		errs = append(errs, fmt.Errorf("workcenter: DefaultMedia has %d action items and %d chats, at most %d and %d",
			m.ActionItems, m.Chats, MaxActionItems, MaxChats))
	}
	if c.DefaultMedia.Shadow && !c.AllowShadow {
		errs = append(errs, errors.New("workcenter: DefaultMedia asks for a shadow login without AllowShadow"))
	}
	return errors.Join(errs...)
}
