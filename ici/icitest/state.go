package icitest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/connects-go/connects/ici"
)

// ActionItem is an action item as events show it.
type ActionItem struct {
	ID       string // actionItemId
	Session  ici.ActionSession
	Data     ici.ActionItem
	Scenario ici.TextElement
	Users    []string
}

// State is what the screen of a session shows. It is a copy.
type State struct {
	Subscribed bool
	Ended      bool            // the session is over
	EndReason  ici.TextElement // of subscriptionEnded
	User       ici.User
	Calls      []ici.PhoneCall // in the order of their appearance, the last ended ones too
	Chats      []ici.ChatSession
	Postings   []ici.ChatPosting
	Items      []ActionItem
	Messages   []ici.Message
	DataForm   string // last monitor data
}

// Event is one event that the session took.
type Event struct {
	Seq      int // 1 for the first of the session
	Time     time.Time
	Op       ici.Op
	AppIDs   []string
	Header   ici.Header
	User     *ici.User
	Call     *ici.PhoneCall
	Chat     *ici.ChatSession
	Posting  *ici.ChatPosting
	Item     *ActionItem
	Message  *ici.Message
	Reason   *ici.TextElement
	DataForm string
}

// maxEnded is how many ended items of each kind a session shows.
const maxEnded = 32

// maxPostings is how many chat lines a session shows.
const maxPostings = 1000

// put replaces the item with the id of v, or appends it, and forgets the oldest of too many ended ones.
func put[T any](list []T, v T, id func(*T) string, ended func(*T) bool) []T {
	for i := range list {
		if id(&list[i]) == id(&v) {
			list[i] = v
			return list
		}
	}
	list = append(list, v)
	over := -maxEnded
	for i := range list {
		if ended(&list[i]) {
			over++
		}
	}
	for i := 0; over > 0 && i < len(list); {
		if ended(&list[i]) {
			list = slices.Delete(list, i, i+1)
			over--
		} else {
			i++
		}
	}
	return list
}

func callID(c *ici.PhoneCall) string                       { return c.ID }
func chatID(c *ici.ChatSession) string                     { return c.ChatSessionID }
func itemID(c *ActionItem) string                          { return c.Session.ActionSessionID }
func messageID(c *ici.Message) string                      { return c.MessageID }
func (s *SAP) code(e ici.Enum, t ici.TextElement) ici.Code { return s.profile.CodeOf(e, t.ID) }

func (s *SAP) callEnded(c *ici.PhoneCall) bool {
	x := s.code(ici.EnumPhoneCallStatus, c.ProcessingStatus)
	return x == ici.PhoneCallStatusEnded || x == ici.PhoneCallStatusFailed
}

func (s *SAP) chatEnded(c *ici.ChatSession) bool {
	return s.code(ici.EnumChatStatus, c.ChatStatus) == ici.ChatStatusEnded
}

func (s *SAP) itemEnded(c *ActionItem) bool {
	x := s.code(ici.EnumActionStatus, c.Session.ActionStatus)
	return x != ici.ActionStatusQueued && x != ici.ActionStatusOffered && x != ici.ActionStatusAccepted
}

func (s *SAP) messageEnded(c *ici.Message) bool {
	return s.code(ici.EnumMessageStatus, c.ProcessingStatus) == ici.MessageStatusEnded
}

// apply takes an event over and returns the request by which SAP rejects the item, if no business session is free.
func (x *Session) apply(ev *Event) (reject func(context.Context) error) {
	s := x.sap
	x.mu.Lock()
	defer x.mu.Unlock()
	x.seq++
	ev.Seq, ev.Time = x.seq, time.Now()
	x.events = append(x.events, *ev)
	if over := len(x.events) - s.cfg.KeepEvents; over > 0 {
		x.events = slices.Delete(x.events, 0, over)
	}
	st := &x.state
	full := x.busy() >= s.cfg.SessionLimit
	switch {
	case ev.User != nil:
		st.User = *ev.User
	case ev.Call != nil:
		c := ev.Call
		if full && !x.knowsCall(c.ID) && s.code(ici.EnumPhoneCallStatus, c.ProcessingStatus) == ici.PhoneCallStatusOffered {
			reject = func(ctx context.Context) error { return x.Client.RejectCall(ctx, c.ID) }
		}
		st.Calls = put(st.Calls, *c, callID, s.callEnded)
	case ev.Chat != nil:
		c := ev.Chat
		known := slices.ContainsFunc(st.Chats, func(y ici.ChatSession) bool { return y.ChatSessionID == c.ChatSessionID })
		if full && !known && s.code(ici.EnumChatStatus, c.ChatStatus) == ici.ChatStatusOffered {
			reject = func(ctx context.Context) error { return x.Client.RejectChat(ctx, c.ChatSessionID) }
		}
		st.Chats = put(st.Chats, *c, chatID, s.chatEnded)
	case ev.Item != nil:
		c := ev.Item
		known := slices.ContainsFunc(st.Items, func(y ActionItem) bool { return y.Session.ActionSessionID == c.Session.ActionSessionID })
		if full && !known && s.code(ici.EnumActionStatus, c.Session.ActionStatus) == ici.ActionStatusOffered {
			reject = func(ctx context.Context) error { return x.Client.RejectItem(ctx, c.Session.ActionSessionID) }
		}
		st.Items = put(st.Items, *c, itemID, s.itemEnded)
	case ev.Message != nil:
		st.Messages = put(st.Messages, *ev.Message, messageID, s.messageEnded)
	case ev.Posting != nil:
		st.Postings = append(st.Postings, *ev.Posting)
		if len(st.Postings) > maxPostings {
			st.Postings = slices.Delete(st.Postings, 0, 1)
		}
	case ev.Op == ici.OpEventMonitorDataChanged:
		st.DataForm = ev.DataForm
	case ev.Reason != nil:
		st.Ended, st.Subscribed, st.EndReason = true, false, *ev.Reason
	}
	x.notify()
	return reject
}

// busy counts the business sessions in use. A consultation shares the session of its call. The lock is held.
func (x *Session) busy() int {
	s := x.sap
	n := x.manual
	for i := range x.state.Calls {
		c := &x.state.Calls[i]
		if s.callEnded(c) {
			continue
		}
		shares := c.ConsultationPhoneCallID != "" && slices.ContainsFunc(x.state.Calls, func(y ici.PhoneCall) bool {
			return y.ID == c.ConsultationPhoneCallID && !s.callEnded(&y)
		})
		if !shares {
			n++
		}
	}
	for i := range x.state.Chats {
		if !s.chatEnded(&x.state.Chats[i]) {
			n++
		}
	}
	for i := range x.state.Items {
		if !s.itemEnded(&x.state.Items[i]) {
			n++
		}
	}
	return n
}

func (x *Session) knowsCall(id string) bool {
	return slices.ContainsFunc(x.state.Calls, func(c ici.PhoneCall) bool { return c.ID == id })
}

// learn takes a call of an answer over, unless an event was faster.
func (x *Session) learn(c *ici.PhoneCall) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if c.ID != "" && !x.knowsCall(c.ID) {
		x.state.Calls = put(x.state.Calls, *c, callID, x.sap.callEnded)
		x.notify()
	}
}

// State returns a copy of what the session shows.
func (x *Session) State() State {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.copyState()
}

func (x *Session) copyState() State {
	st := x.state
	st.Calls = slices.Clone(st.Calls)
	st.Chats = slices.Clone(st.Chats)
	st.Postings = slices.Clone(st.Postings)
	st.Items = slices.Clone(st.Items)
	st.Messages = slices.Clone(st.Messages)
	return st
}

// Workmode returns the id of the current work mode, "" before the first event.
func (x *Session) Workmode() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.state.User.CurrentWorkmode.ID
}

// Call returns a call by its id.
func (x *Session) Call(id string) (ici.PhoneCall, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, c := range x.state.Calls {
		if c.ID == id {
			return c, true
		}
	}
	return ici.PhoneCall{}, false
}

// Calls returns the calls that have not ended.
func (x *Session) Calls() []ici.PhoneCall {
	x.mu.Lock()
	defer x.mu.Unlock()
	var out []ici.PhoneCall
	for i := range x.state.Calls {
		if !x.sap.callEnded(&x.state.Calls[i]) {
			out = append(out, x.state.Calls[i])
		}
	}
	return out
}

// Events returns the events that the session remembers, oldest first.
func (x *Session) Events() []Event {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.events)
}

// Busy returns how many business sessions are in use.
func (x *Session) Busy() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.busy()
}

// WaitError says what a session waited for in vain, and what it showed instead.
type WaitError struct {
	User  string
	What  string
	State string
	Err   error // error of the context, or ErrSessionEnded
}

// Error says what was waited for and what the session shows.
func (e *WaitError) Error() string {
	return fmt.Sprintf("icitest: %s waited for %s: %v; shows %s", e.User, e.What, e.Err, e.State)
}

// Unwrap returns the error of the context, or ErrSessionEnded.
func (e *WaitError) Unwrap() error { return e.Err }

// WaitFor waits until the state of the session is as wanted. What describes that for the error, which is a *WaitError:
// the context ended, or the session did and the state will not change any more.
func (x *Session) WaitFor(ctx context.Context, what string, ok func(State) bool) error {
	return x.wait(ctx, what, func() bool { return ok(x.copyState()) })
}

// wait waits for a condition that is called with the lock held.
func (x *Session) wait(ctx context.Context, what string, ok func() bool) error {
	for {
		x.mu.Lock()
		good, ended, changed := ok(), x.state.Ended, x.changed
		x.mu.Unlock()
		if good {
			return nil
		}
		err := ErrSessionEnded
		if !ended {
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		return &WaitError{User: x.User, What: what, State: x.summary(), Err: err}
	}
}

// summary is one line about the state.
func (x *Session) summary() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "mode=%q events=%d", x.state.User.CurrentWorkmode.ID, x.seq)
	for _, c := range x.state.Calls {
		fmt.Fprintf(&b, " call{%s status=%s can=%s}", c.ID, c.ProcessingStatus.ID, ids(c.CapabilityList))
	}
	for _, c := range x.state.Chats {
		fmt.Fprintf(&b, " chat{%s status=%s}", c.ChatSessionID, c.ChatStatus.ID)
	}
	for _, c := range x.state.Items {
		fmt.Fprintf(&b, " item{%s status=%s}", c.Session.ActionSessionID, c.Session.ActionStatus.ID)
	}
	return b.String()
}

// WaitWorkmode waits until the current work mode is one of the fixed ones.
func (x *Session) WaitWorkmode(ctx context.Context, mode ici.Code) error {
	return x.WaitWorkmodeID(ctx, x.sap.profile.Code(mode))
}

// WaitWorkmodeID waits until the current work mode has that id.
func (x *Session) WaitWorkmodeID(ctx context.Context, id string) error {
	return x.wait(ctx, "work mode "+id, func() bool { return x.state.User.CurrentWorkmode.ID == id })
}

// WaitCall waits until the call with that id, or the newest call when id is "", has one of the states, and returns it.
// No states mean any.
func (x *Session) WaitCall(ctx context.Context, id string, states ...ici.Code) (ici.PhoneCall, error) {
	var found ici.PhoneCall
	what := "call " + id
	for _, c := range states {
		what += " " + c.String()
	}
	err := x.wait(ctx, what, func() bool {
		for i := len(x.state.Calls) - 1; i >= 0; i-- {
			c := &x.state.Calls[i]
			if (id == "" || c.ID == id) && matches(x.sap.code(ici.EnumPhoneCallStatus, c.ProcessingStatus), states) {
				found = *c
				return true
			}
		}
		return false
	})
	return found, err
}

// WaitChat waits until the chat with that id, or the newest chat when id is "", has one of the states, and returns it.
func (x *Session) WaitChat(ctx context.Context, id string, states ...ici.Code) (ici.ChatSession, error) {
	var found ici.ChatSession
	err := x.wait(ctx, "chat "+id, func() bool {
		for i := len(x.state.Chats) - 1; i >= 0; i-- {
			c := &x.state.Chats[i]
			if (id == "" || c.ChatSessionID == id) && matches(x.sap.code(ici.EnumChatStatus, c.ChatStatus), states) {
				found = *c
				return true
			}
		}
		return false
	})
	return found, err
}

// WaitItem waits until the action session with that id, or the newest one when id is "", has one of the states, and
// returns it.
func (x *Session) WaitItem(ctx context.Context, id string, states ...ici.Code) (ActionItem, error) {
	var found ActionItem
	err := x.wait(ctx, "action session "+id, func() bool {
		for i := len(x.state.Items) - 1; i >= 0; i-- {
			c := &x.state.Items[i]
			if (id == "" || c.Session.ActionSessionID == id) && matches(x.sap.code(ici.EnumActionStatus, c.Session.ActionStatus), states) {
				found = *c
				return true
			}
		}
		return false
	})
	return found, err
}

// WaitEvent waits for an event that fits, among those remembered and those to come, and returns it.
func (x *Session) WaitEvent(ctx context.Context, what string, fits func(*Event) bool) (Event, error) {
	var found Event
	last := 0
	err := x.wait(ctx, what, func() bool {
		for i := range x.events {
			if x.events[i].Seq <= last {
				continue
			}
			last = x.events[i].Seq
			if fits(&x.events[i]) {
				found = x.events[i]
				return true
			}
		}
		return false
	})
	return found, err
}

// WaitEnd waits until the session is over and returns the reason that the connector gave.
func (x *Session) WaitEnd(ctx context.Context) (ici.TextElement, error) {
	err := x.wait(ctx, "the end of the session", func() bool { return x.state.Ended })
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.state.EndReason, err
}

func matches(c ici.Code, states []ici.Code) bool {
	return len(states) == 0 || slices.Contains(states, c)
}
