package icitest

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/connects-go/connects/ici"
)

// Rule names a group of rules of the interface.
type Rule string

// The rules that are checked.
const (
	RuleURL      Rule = "url"      // an event goes to the URL that SAP handed out, byte for byte
	RuleHTTP     Rule = "http"     // method, Content-Type, SOAPAction
	RuleEnvelope Rule = "envelope" // well-formed SOAP 1.1 in UTF-8, known operation, right namespace, header entries
	RuleAppID    Rule = "appid"    // application ids belong to the URL
	RuleOrder    Rule = "order"    // one event of a session at a time
	RuleContent  Rule = "content"  // parameters, members, codes, numbers, attached data; no item comes back from the dead
	RuleAnswer   Rule = "answer"   // answers to requests
)

// Violation is something that the connector did wrong.
type Violation struct {
	Time   time.Time
	User   string
	Op     string
	Rule   Rule
	Detail string
	Body   []byte // the message, when there is one
}

// String is for logs and test failures.
func (v Violation) String() string {
	return fmt.Sprintf("%s: %s of user %s: %s", v.Rule, v.Op, v.User, v.Detail)
}

// maxViolations is how many violations are remembered.
const maxViolations = 1000

// Violations returns what the connector did wrong so far, the first 1,000. A test asserts that there is none.
func (s *SAP) Violations() []Violation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.violations)
}

func (s *SAP) violate(user, op string, rule Rule, detail string, body []byte) {
	s.stats.violations.Add(1)
	s.log.Warn("violation", slog.String("user", user), slog.String("op", op), slog.String("rule", string(rule)), slog.String("detail", detail))
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.violations) < maxViolations {
		s.violations = append(s.violations, Violation{Time: time.Now(), User: user, Op: op, Rule: rule, Detail: detail, Body: body})
	}
}

// maxAttached is the largest attached data, in bytes (reference 8).
const maxAttached = 64 << 10

// maxReasons is how many own not-ready reasons there may be (reference 7, Workmode).
const maxReasons = 47

var (
	e164     = regexp.MustCompile(`^\+[1-9][0-9]{1,14}$`)
	dateTime = regexp.MustCompile(`^[0-9]{14}$`)
)

// checkEvent checks the content of an event against the reference and against what the session saw before.
func (s *SAP) checkEvent(x *Session, ev *Event) []string {
	switch {
	case ev.User != nil:
		return s.checkUser(x, ev.User)
	case ev.Call != nil:
		return s.checkCall(x, ev.Call)
	case ev.Chat != nil:
		return s.checkChat(x, ev.Chat)
	case ev.Posting != nil:
		return s.checkPosting(ev.Posting)
	case ev.Item != nil:
		return s.checkItem(x, ev.Item)
	case ev.Message != nil:
		c := s.checker()
		c.must("messageId", ev.Message.MessageID)
		c.status(ici.EnumMessageStatus, ev.Message.ProcessingStatus)
		c.capabilities(ev.Message.CapabilityList)
		c.attached(ev.Message.AttachedData)
		return c.out
	case ev.Reason != nil:
		c := s.checker()
		c.must("reason/id", ev.Reason.ID)
		return c.out
	case ev.Op == ici.OpEventMonitorDataChanged:
		c := s.checker()
		c.document("dataForm", ev.DataForm)
		return c.out
	}
	return nil
}

// checker collects what is wrong.
type checker struct {
	s   *SAP
	out []string
}

func (s *SAP) checker() *checker { return &checker{s: s} }

func (c *checker) bad(format string, args ...any) {
	c.out = append(c.out, fmt.Sprintf(format, args...))
}

func (c *checker) must(name, value string) {
	if value == "" {
		c.bad("%s is empty", name)
	}
}

// status checks a code with a text.
func (c *checker) status(e ici.Enum, t ici.TextElement) ici.Code {
	x := c.s.profile.CodeOf(e, t.ID)
	if x == ici.CodeUnknown {
		c.bad("status %q is unknown", t.ID)
	}
	if t.Description == "" {
		c.bad("status %q has no text", t.ID)
	}
	return x
}

func (c *checker) capabilities(list []ici.TextElement) {
	seen := map[string]bool{}
	for _, t := range list {
		if c.s.profile.CodeOf(ici.EnumCapability, t.ID) == ici.CodeUnknown {
			c.bad("capability %q is unknown", t.ID)
		}
		if seen[t.ID] {
			c.bad("capability %q occurs twice", t.ID)
		}
		seen[t.ID] = true
	}
}

// one checks a code without text, which may be absent.
func (c *checker) one(e ici.Enum, name, id string) {
	if id != "" && c.s.profile.CodeOf(e, id) == ici.CodeUnknown {
		c.bad("%s %q is unknown", name, id)
	}
}

func (c *checker) date(name, v string) {
	if v == "" {
		return
	}
	if _, err := time.Parse("20060102150405", v); err != nil || !dateTime.MatchString(v) {
		c.bad("%s %q is no yyyyMMddHHmmss", name, v)
	}
}

// attached checks an ItemAttachedData document (reference 8).
func (c *checker) attached(doc string) {
	if doc == "" {
		return
	}
	if len(doc) > maxAttached {
		c.bad("attachedData has %d bytes", len(doc))
	}
	root, err := parse([]byte(doc))
	switch {
	case err != nil:
		c.bad("attachedData: %v", err)
		return
	case root.Name != "ItemAttachedData":
		c.bad("attachedData has root %s", root.Name)
	}
	seen := map[string]bool{}
	for _, a := range root.Children {
		id := a.Attr("", "id")
		switch {
		case a.Name != "Application":
			c.bad("attachedData has element %s", a.Name)
		case id == "":
			c.bad("attachedData has an Application without id")
		case seen[id]:
			c.bad("attachedData has Application %q twice", id)
		}
		seen[id] = true
	}
}

func (c *checker) document(name, doc string) {
	d := xml.NewDecoder(strings.NewReader(doc))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			c.bad("%s: %v", name, err)
			return
		}
	}
}

func (s *SAP) checkUser(x *Session, u *ici.User) []string {
	c := s.checker()
	if !strings.EqualFold(u.UserID, x.User) {
		c.bad("userId %q, the session belongs to %q", u.UserID, x.User)
	}
	mode := func(t ici.TextElement) bool {
		n, err := strconv.Atoi(t.ID)
		if err != nil || n < 1 {
			c.bad("work mode %q is no positive number", t.ID)
		}
		if t.Description == "" {
			c.bad("work mode %q has no text", t.ID)
		}
		return n > 999
	}
	mode(u.CurrentWorkmode)
	reasons := 0
	seen := map[string]bool{}
	for _, t := range u.WorkmodeList {
		if mode(t) {
			reasons++
		}
		if seen[t.ID] {
			c.bad("work mode %q is twice in the list", t.ID)
		}
		seen[t.ID] = true
	}
	if reasons > maxReasons {
		c.bad("%d own not-ready reasons", reasons)
	}
	c.capabilities(u.CapabilityList)
	for _, ch := range u.CurrentChannels {
		c.one(ici.EnumChannelType, "channel", ch)
	}
	for _, a := range u.Addresses {
		c.one(ici.EnumAddressType, "address type", a.Type)
	}
	return c.out
}

func (s *SAP) checkCall(x *Session, call *ici.PhoneCall) []string {
	c := s.checker()
	c.must("id", call.ID)
	if call.PhoneCallID != call.ID {
		c.bad("phoneCallId %q is not id %q", call.PhoneCallID, call.ID)
	}
	status := c.status(ici.EnumPhoneCallStatus, call.ProcessingStatus)
	c.capabilities(call.CapabilityList)
	switch status {
	case ici.PhoneCallStatusEnded, ici.PhoneCallStatusFailed:
		if len(call.CapabilityList) > 0 {
			c.bad("ended call has capabilities: %s", ids(call.CapabilityList))
		}
	case ici.PhoneCallStatusWrapUp:
		for _, t := range call.CapabilityList {
			if t.ID != s.profile.Code(ici.CapabilityWrapUpRequired) {
				c.bad("call in wrap-up has capability %s", t.ID)
			}
		}
	}
	c.one(ici.EnumCallDirection, "direction", call.Direction)
	c.one(ici.EnumCallReason, "callReason", call.CallReason.ID)
	for _, n := range call.RemoteNumbers {
		if !e164.MatchString(n) && !slices.Contains(s.cfg.AnonymousNumbers, n) {
			c.bad("remote number %q is not E.164", n)
		}
	}
	c.attached(call.AttachedData)
	c.date("creationDate", call.CreationDate)
	if old, ok := x.Call(call.ID); ok && s.callEnded(&old) && !s.callEnded(call) {
		c.bad("call %s has ended and comes back with status %s", call.ID, call.ProcessingStatus.ID)
	}
	return c.out
}

func (s *SAP) checkChat(x *Session, chat *ici.ChatSession) []string {
	c := s.checker()
	c.must("chatSessionId", chat.ChatSessionID)
	if chat.ID != chat.ChatSessionID {
		c.bad("id %q is not chatSessionId %q", chat.ID, chat.ChatSessionID)
	}
	if c.status(ici.EnumChatStatus, chat.ChatStatus) == ici.ChatStatusEnded && len(chat.CapabilityList) > 0 {
		c.bad("ended chat has capabilities: %s", ids(chat.CapabilityList))
	}
	c.capabilities(chat.CapabilityList)
	c.attached(chat.AttachedData)
	for _, old := range x.State().Chats {
		if old.ChatSessionID == chat.ChatSessionID && s.chatEnded(&old) && !s.chatEnded(chat) {
			c.bad("chat %s has ended and comes back", chat.ChatSessionID)
		}
	}
	return c.out
}

func (s *SAP) checkPosting(p *ici.ChatPosting) []string {
	c := s.checker()
	c.must("chatSessionId", p.ChatSessionID)
	c.must("contentText", p.ContentText)
	c.date("postDate", p.PostDate)
	return c.out
}

func (s *SAP) checkItem(x *Session, item *ActionItem) []string {
	c := s.checker()
	a := &item.Session
	c.must("actionItemId", item.ID)
	if len(item.ID) > 32 {
		c.bad("actionItemId has %d characters", len(item.ID))
	}
	c.must("actionSessionId", a.ActionSessionID)
	if a.ID != a.ActionSessionID {
		c.bad("id %q is not actionSessionId %q", a.ID, a.ActionSessionID)
	}
	c.status(ici.EnumActionStatus, a.ActionStatus)
	if s.itemEnded(item) && len(a.CapabilityList) > 0 {
		c.bad("finished item has capabilities: %s", ids(a.CapabilityList))
	}
	c.capabilities(a.CapabilityList)
	c.attached(a.AttachedData)
	for _, old := range x.State().Items {
		if itemID(&old) == itemID(item) && s.itemEnded(&old) && !s.itemEnded(item) {
			c.bad("action session %s is finished and comes back", itemID(item))
		}
	}
	return c.out
}
