package ici

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// SubscriptionKey names a subscription: the event URL and the application id that SAP handed
// over, within one SAP system (reference ICI 4.6).
type SubscriptionKey struct {
	System string
	AppURL string
	AppID  string
}

// Subscription is what SAP handed over with a subscribe request.
type Subscription struct {
	System   string // name of an EventSystem; "" is a name too
	AppURL   string // used byte for byte
	AppID    string
	User     string // SAP user, sent in the header of every event
	Language string // language of the user, sent in the header of every event

	// MoreAppIDs are further application ids of the same URL that every event of this
	// subscription carries, for events that go to several subscribers at once.
	MoreAppIDs []string
}

// Key returns the key of the subscription.
func (s *Subscription) Key() SubscriptionKey {
	return SubscriptionKey{System: s.System, AppURL: s.AppURL, AppID: s.AppID}
}

// EventParam is one parameter of an event.
type EventParam = Arg

// Event is one call of the service IciEvent. The parameter appIds is filled in by the notifier.
type Event struct {
	Op     Op
	Params []EventParam

	// Item is the item whose complete state the event carries, for example the id of a call. A
	// state that still waits when a newer one of the same Op and Item comes is not sent any
	// more. "" means that the event never replaces another and is never replaced: postings and
	// action items.
	Item string

	// Time is when the cause of the event happened, for Delivery.Time; zero means now.
	Time time.Time
}

// Delivery is one attempt to deliver an event.
type Delivery struct {
	Subscription Subscription
	Op           Op
	Item         string
	Attempt      int       // 1 for the first, counted over failures in a row of the subscription
	Time         time.Time // Event.Time, or when Notify was called
	Started      time.Time // when the attempt began
	Written      time.Time // when the request was handed to the network; zero when it was not
	Answered     time.Time // when the attempt was over
	Status       int       // HTTP status, 0 when there was none
	Body         []byte    // the envelope sent; valid during the call only
	Answer       []byte    // the body of the answer; valid during the call only
	Err          error     // nil: delivered; otherwise a *DeliveryError
}

// NotifierStats is a snapshot of counters.
type NotifierStats struct {
	Subscriptions int // now
	Waiting       int // events now, including those on the wire
	WaitingBytes  int64
	OnWire        int // events now
	OpenConns     int // now
	IdleConns     int // now

	Notified  uint64 // events accepted
	Delivered uint64
	Collapsed uint64 // replaced by a newer state before they were sent
	Retried   uint64 // failed attempts that are followed by another one
	Refused   uint64 // answered with a Fault or a 4xx status
	Dropped   uint64 // not sent because the subscription ended
	Gone      uint64 // subscriptions that ended without the connector's wish
	Dials     uint64
	Reused    uint64 // attempts over a connection that was kept open
	Resumed   uint64 // TLS sessions taken up again
}

// Notifier delivers events to SAP.
//
// Events of one subscription are delivered strictly in the order of the Notify calls, one at a
// time; subscriptions do not wait for each other. A subscription without events costs no
// goroutine and no connection.
//
// # Collapsing
//
// A state that waits is replaced when a newer state of the same Op and Item is notified: the old
// one is taken out and the new one stands at the end, so what SAP receives is always a
// subsequence of what was notified, in its order. An item that was moved back 16 times keeps its
// place, and later states stand behind it, so that busy items cannot starve each other: at most
// two states of one item wait. An event on the wire is not replaced; when it fails and a newer
// state waits, it is given up.
//
// # Failures
//
// An attempt fails when there is no connection, no answer in time, a status 5xx, 408, 425 or 429,
// a redirect (never followed), or something that is not an answer. The subscription then waits 1,
// 2, 5, 10, 30 s and tries again; one answer resets the count. After that, or when the queue is
// full, or when SAP answers 400, 401, 403, 404 or 410, the subscription ends and
// NotifierOptions.Gone is told: an event is never left out silently, because SAP would go on with
// a state that is wrong. A SOAP Fault is an answer: the event is counted as refused,
// NotifierOptions.Refused is told, and the next one follows.
//
// An event whose answer got lost is sent again, so SAP may see it twice. States are complete, so
// that is harmless for them.
//
// All methods may be called from any goroutine. Events that are notified from different goroutines
// have the order in which Notify took them.
type Notifier struct {
	opts    NotifierOptions
	profile *Profile
	log     *slog.Logger
	systems map[string]*eventSystem
	anySys  *eventSystem // when no system is configured
	pool    *eventPool
	entries sync.Pool // *eventEntry

	notified, deliveredN, collapsed, retried, refusedN, dropped, goneN atomic.Uint64

	waiting      atomic.Int64
	waitingBytes atomic.Int64
	onWire       atomic.Int64

	wg sync.WaitGroup // goroutines of subscriptions

	mu      sync.RWMutex // before eventSub.mu
	subs    map[SubscriptionKey]*eventSub
	closing bool
	drained chan struct{} // closed when nothing waits while closing
}

// NewNotifier returns a notifier. Errors: all problems of the options, joined.
func NewNotifier(o *NotifierOptions) (*Notifier, error) {
	opts, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	n := &Notifier{
		opts:    opts,
		profile: opts.Profile,
		log:     opts.Logger,
		systems: map[string]*eventSystem{},
		subs:    map[SubscriptionKey]*eventSub{},
		drained: make(chan struct{}),
		entries: sync.Pool{New: func() any { return new(eventEntry) }},
	}
	if n.profile == nil {
		n.profile = Default()
	}
	n.pool = newEventPool(&n.opts)
	if len(opts.Systems) == 0 {
		n.anySys, err = newEventSystem(&EventSystem{}, n.profile)
		if err != nil {
			return nil, err
		}
	}
	for i := range opts.Systems {
		s := &opts.Systems[i]
		if n.systems[s.Name], err = newEventSystem(s, n.profile); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// Check reports whether a subscription would be accepted, without making it.
func (n *Notifier) Check(sub *Subscription) error {
	_, _, err := n.check(sub)
	return err
}

func (n *Notifier) check(sub *Subscription) (*eventSystem, eventURL, error) {
	sys := n.systems[sub.System]
	if sys == nil {
		sys = n.anySys
	}
	if sys == nil {
		return nil, eventURL{}, fmt.Errorf("%w: system=%q", ErrUnknownSystem, sub.System)
	}
	u, err := parseEventURL(sub.AppURL)
	if err != nil {
		return nil, eventURL{}, err
	}
	return sys, u, sys.allow.allows(&u)
}

// Subscribe adds a subscription. A key that is already subscribed keeps its queue and gets the new
// user, language and application ids. Nothing is sent.
//
// Errors: ErrUnknownSystem, *EventURLError (ErrEventURL, ErrHostNotAllowed),
// ErrTooManySubscriptions, ErrNotifierClosed.
func (n *Notifier) Subscribe(sub Subscription) error {
	sys, u, err := n.check(&sub)
	if err != nil {
		return err
	}
	sub.MoreAppIDs = slices.Clone(sub.MoreAppIDs)
	key := sub.Key()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing {
		return ErrNotifierClosed
	}
	if s := n.subs[key]; s != nil && s.renew(newSubProps(sub)) {
		return nil
	}
	if len(n.subs) >= n.opts.MaxSubscriptions {
		return ErrTooManySubscriptions
	}
	s := &eventSub{n: n, key: key, host: n.pool.acquire(sys, &u), head: requestHead(sys, &u, n.opts.UserAgent)}
	s.props.Store(newSubProps(sub))
	n.subs[key] = s
	return nil
}

// Subscription returns the subscription of a key, and whether there is one.
func (n *Notifier) Subscription(key SubscriptionKey) (Subscription, bool) {
	if s := n.find(key); s != nil && !s.isEnding() {
		return s.props.Load().sub, true
	}
	return Subscription{}, false
}

func (n *Notifier) find(key SubscriptionKey) *eventSub {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.subs[key]
}

// Notify queues an event; it does not wait for SAP. The values of the event are encoded before it
// returns and are not kept.
//
// Errors: ErrNoSubscription, ErrNotAnEvent, ErrEventTooLarge, ErrNotifierClosed, ErrQueueFull (the
// subscription has ended, Gone is told).
func (n *Notifier) Notify(key SubscriptionKey, ev Event) error {
	n.mu.RLock()
	s, closing := n.subs[key], n.closing
	n.mu.RUnlock()
	switch {
	case closing:
		return ErrNotifierClosed
	case s == nil:
		return ErrNoSubscription
	}
	if !n.isEvent(ev.Op) {
		return fmt.Errorf("%w: %v", ErrNotAnEvent, ev.Op)
	}
	e := n.encode(s, &ev)
	if e.size() > n.opts.QueueBytes {
		n.free(e)
		return ErrEventTooLarge
	}
	return s.add(e)
}

// End ends a subscription: what still waits is dropped, which is what a user who logged off
// expects. With last, normally a subscriptionEnded event, that event is tried once and its outcome
// is only logged, because the far end may be gone already. Gone is not called.
func (n *Notifier) End(key SubscriptionKey, last *Event) error {
	s := n.find(key)
	if s == nil {
		return ErrNoSubscription
	}
	var e *eventEntry
	if last != nil {
		if !n.isEvent(last.Op) {
			return fmt.Errorf("%w: %v", ErrNotAnEvent, last.Op)
		}
		e = n.encode(s, last)
		e.final = true
	}
	return s.end(e)
}

func (n *Notifier) isEvent(op Op) bool { return n.profile.OpService(op) == ServiceEvent }

// Stats returns a snapshot of the counters.
func (n *Notifier) Stats() NotifierStats {
	n.mu.RLock()
	subs := len(n.subs)
	n.mu.RUnlock()
	p := n.pool
	p.mu.Lock()
	open, idle := len(p.open), p.idle
	p.mu.Unlock()
	return NotifierStats{
		Subscriptions: subs,
		Waiting:       int(n.waiting.Load()),
		WaitingBytes:  n.waitingBytes.Load(),
		OnWire:        int(n.onWire.Load()),
		OpenConns:     open,
		IdleConns:     idle,
		Notified:      n.notified.Load(),
		Delivered:     n.deliveredN.Load(),
		Collapsed:     n.collapsed.Load(),
		Retried:       n.retried.Load(),
		Refused:       n.refusedN.Load(),
		Dropped:       n.dropped.Load(),
		Gone:          n.goneN.Load(),
		Dials:         p.dials.Load(),
		Reused:        p.reused.Load(),
		Resumed:       p.resumed.Load(),
	}
}

// Shutdown takes no more events, delivers what waits until ctx ends, then drops the rest and
// closes. It returns the error of ctx when events were dropped. It must not be called from a
// callback.
func (n *Notifier) Shutdown(ctx context.Context) error {
	n.mu.Lock()
	n.closing = true
	n.mu.Unlock()
	n.settle()
	var err error
	select {
	case <-n.drained:
	case <-ctx.Done():
		select {
		case <-n.drained:
		default:
			err = ctx.Err()
		}
	}
	return n.finish(err)
}

// Close takes no more events, drops what waits and closes. It must not be called from a callback.
func (n *Notifier) Close() error {
	n.mu.Lock()
	n.closing = true
	n.mu.Unlock()
	return n.finish(nil)
}

// finish ends every subscription and waits for the goroutines.
func (n *Notifier) finish(err error) error {
	n.mu.Lock()
	subs := make([]*eventSub, 0, len(n.subs))
	for _, s := range n.subs {
		subs = append(subs, s)
	}
	clear(n.subs)
	n.mu.Unlock()
	for _, s := range subs {
		s.stop()
	}
	n.pool.close()
	n.wg.Wait()
	return err
}

// settle closes drained when nothing waits any more. It is called after every event that is done
// with, once the notifier is closing.
func (n *Notifier) settle() {
	if n.waiting.Load() != 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.closing || n.waiting.Load() != 0 {
		return
	}
	select {
	case <-n.drained:
	default:
		close(n.drained)
	}
}

// forget takes a subscription out of the table, if it is still the one of its key.
func (n *Notifier) forget(s *eventSub) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.subs[s.key] == s {
		delete(n.subs, s.key)
	}
}

// eventEntry is one encoded event: the finished request is buf[start:], its body buf[body:].
type eventEntry struct {
	buf         []byte
	start, body int
	op          Op
	item        string
	time        time.Time
	moves       uint8
	final       bool // last event of an ended subscription: tried once
}

func (e *eventEntry) size() int { return len(e.buf) - e.start }

// maxPooled is the largest buffer that is kept for the next event.
const maxPooled = 64 << 10

func (n *Notifier) free(e *eventEntry) {
	buf := e.buf[:0]
	if cap(buf) > maxPooled {
		buf = nil
	}
	*e = eventEntry{buf: buf}
	n.entries.Put(e)
}

// requestHead returns the request line and the header fields up to the value of Content-Length.
func requestHead(sys *eventSystem, u *eventURL, agent string) []byte {
	h := make([]byte, 0, 256+len(u.target)+len(u.authority)+len(sys.auth))
	h = append(h, "POST "...)
	h = append(h, u.target...)
	h = append(h, " HTTP/1.1\r\nHost: "...)
	h = append(h, u.authority...)
	h = append(h, "\r\nUser-Agent: "...)
	h = append(h, agent...)
	h = append(h, "\r\nContent-Type: text/xml; charset=utf-8\r\nSOAPAction: \"\"\r\n"...)
	if sys.auth != "" {
		h = append(h, "Authorization: "...)
		h = append(h, sys.auth...)
		h = append(h, "\r\n"...)
	}
	return append(h, "Content-Length: "...)
}

// lengthRoom is the space for the digits of a Content-Length and the end of the head.
const lengthRoom = 10 + 4

// encode makes the finished request of an event. The body is appended behind a gap into which the
// head is put when the length is known, so nothing is copied twice.
func (n *Notifier) encode(s *eventSub, ev *Event) *eventEntry {
	e := n.entries.Get().(*eventEntry)
	e.op, e.item, e.time = ev.Op, ev.Item, ev.Time
	if e.time.IsZero() {
		e.time = time.Now()
	}
	gap := len(s.head) + lengthRoom
	e.buf = slices.Grow(e.buf[:0], gap+1024)[:gap]
	e.body = gap
	e.buf = s.appendEvent(e.buf, ev)
	var tail [lengthRoom]byte
	t := strconv.AppendInt(tail[:0], int64(len(e.buf)-gap), 10)
	t = append(t, "\r\n\r\n"...)
	e.start = gap - len(t) - len(s.head)
	copy(e.buf[e.start:], s.head)
	copy(e.buf[gap-len(t):], t)
	return e
}
