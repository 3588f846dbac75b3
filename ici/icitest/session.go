package icitest

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/connects-go/connects/ici"
)

// UserSpec says who logs on.
type UserSpec struct {
	User       string // SAP user
	Language   string // logon language, for example "DE"
	Workcenter string // what the agent types as work center; "" skips the logon at the ACD
	Queues     []string
	Ready      bool // work mode after the logon: ready, otherwise not ready
}

// Session is one logon of a user: the communication session with its event URL, and the business sessions of its items.
// Its methods may be called from any goroutine; each of them is one click of the agent.
type Session struct {
	*Client
	AppID string // application id
	URL   string // event URL

	target   string // request target of URL
	spec     UserSpec
	inFlight atomic.Int32 // events being handled
	trouble  troubles

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at every change
	appIDs  map[string]bool
	state   State
	events  []Event
	seq     int // events so far
	manual  int // business sessions opened by hand
}

// Open makes a session without sending anything; Subscribe and the other steps are up to the caller.
func (s *SAP) Open(spec UserSpec) (*Session, error) { return s.open(spec) }

// Logon performs scenarios S01 and S02: hand-shake, attributes, subscription, work center, queues, work mode, and waits
// until the connector has confirmed the work mode with an event. When a step fails, the session is closed again.
func (s *SAP) Logon(ctx context.Context, spec UserSpec) (*Session, error) {
	x, err := s.open(spec)
	if err != nil {
		return nil, err
	}
	if err := x.logon(ctx); err != nil {
		x.die(ici.TextElement{})
		return nil, err
	}
	return x, nil
}

func (x *Session) logon(ctx context.Context) error {
	if _, err := x.ExchangeProductInformation(ctx); err != nil {
		return err
	}
	if _, err := x.WorkcenterCapability(ctx); err != nil {
		return err
	}
	if _, err := x.Attributes(ctx); err != nil {
		return err
	}
	if err := x.Subscribe(ctx); err != nil {
		return err
	}
	if x.spec.Workcenter == "" {
		return nil
	}
	mode := ici.WorkmodeNotReady
	if x.spec.Ready {
		mode = ici.WorkmodeReady
	}
	err := func() error {
		if _, err := x.SetWorkcenter(ctx, x.spec.Workcenter); err != nil {
			return err
		}
		if len(x.spec.Queues) > 0 {
			if err := x.SetQueues(ctx, x.spec.Queues...); err != nil {
				return err
			}
		}
		if err := x.Client.SetWorkmode(ctx, mode); err != nil {
			return err
		}
		return x.WaitWorkmode(ctx, mode)
	}()
	if err != nil { // the IC WebClient gives the subscription back
		_ = x.Unsubscribe(context.WithoutCancel(ctx))
	}
	return err
}

// Subscribe hands the application id and the event URL of the session over.
func (x *Session) Subscribe(ctx context.Context) error {
	x.mu.Lock()
	x.state.Subscribed = true // the first event may be faster than the answer
	x.mu.Unlock()
	err := x.SubscribeURL(ctx, x.AppID, x.URL)
	if err != nil {
		x.mu.Lock()
		x.state.Subscribed = false
		x.mu.Unlock()
	}
	return err
}

// Unsubscribe takes the subscription back.
func (x *Session) Unsubscribe(ctx context.Context) error {
	err := x.UnsubscribeID(ctx, x.AppID)
	x.mu.Lock()
	x.state.Subscribed = false
	x.notify()
	x.mu.Unlock()
	return err
}

// AddAppID makes the event URL accept a further application id, for monitoring and routing subscriptions.
func (x *Session) AddAppID(id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.appIDs[id] = true
}

// Attributes asks for the attributes of the user and shows them.
func (x *Session) Attributes(ctx context.Context) (ici.User, error) {
	return x.shown(func() (ici.User, error) { return x.Client.Attributes(ctx) })
}

// SetWorkcenter logs the agent on at a work center and shows the attributes.
func (x *Session) SetWorkcenter(ctx context.Context, text string) (ici.User, error) {
	return x.shown(func() (ici.User, error) { return x.Client.SetWorkcenter(ctx, text) })
}

// shown takes the user of an answer over into the state, unless an event was faster.
func (x *Session) shown(ask func() (ici.User, error)) (ici.User, error) {
	x.mu.Lock()
	before := x.seq
	x.mu.Unlock()
	u, err := ask()
	if err != nil {
		return u, err
	}
	problems := x.sap.checkUser(x, &u)
	x.mu.Lock()
	if x.seq == before {
		x.state.User = u
		x.notify()
	}
	x.mu.Unlock()
	for _, p := range problems {
		x.sap.violate(x.User, "IciUser", RuleAnswer, p, nil)
	}
	return u, nil
}

// Logoff performs scenario S03, steps 6 to 8: work mode logged off, its confirmation, unsubscribe. The session is over
// afterwards, whether or not an error is returned.
func (x *Session) Logoff(ctx context.Context) error {
	defer x.die(ici.TextElement{})
	if err := x.Client.SetWorkmode(ctx, ici.WorkmodeLoggedOff); err != nil {
		return err
	}
	if err := x.WaitWorkmode(ctx, ici.WorkmodeLoggedOff); err != nil {
		return err
	}
	return x.Unsubscribe(ctx)
}

// Kill ends the session without a word to the connector, as a time-out in SAP or a closed browser does: from now on
// events are answered with "400 Session not found".
func (x *Session) Kill() { x.die(ici.TextElement{}) }

// Restart performs scenario S16, the restart of the IC WebClient: the session dies silently and the same user comes back
// with a new one, which asks for the attributes, subscribes and reads the calls. The agent stays logged on at the ACD.
func (x *Session) Restart(ctx context.Context) (*Session, error) {
	x.die(ici.TextElement{})
	y, err := x.sap.open(x.spec)
	if err != nil {
		return nil, err
	}
	err = func() error {
		if _, err := y.Attributes(ctx); err != nil {
			return err
		}
		if err := y.Subscribe(ctx); err != nil {
			return err
		}
		calls, err := y.PhoneCalls(ctx)
		for i := range calls {
			y.learn(&calls[i])
		}
		return err
	}()
	if err != nil {
		y.die(ici.TextElement{})
		return nil, err
	}
	return y, nil
}

// OpenManual opens a business session by hand; it counts against the session limit.
func (x *Session) OpenManual() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.manual++
}

// CloseManual closes a business session that was opened by hand.
func (x *Session) CloseManual() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.manual = max(0, x.manual-1)
}

// die ends the session once.
func (x *Session) die(reason ici.TextElement) {
	x.mu.Lock()
	if !x.state.Ended {
		x.state.Ended, x.state.Subscribed, x.state.EndReason = true, false, reason
		x.notify()
	}
	x.mu.Unlock()
	x.sap.forget(x)
}

// notify wakes whoever waits. The lock is held.
func (x *Session) notify() {
	close(x.changed)
	x.changed = make(chan struct{})
}

// ids joins the ids of text elements, for messages.
func ids(list []ici.TextElement) string {
	var b strings.Builder
	for i, e := range list {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(e.ID)
	}
	return b.String()
}
