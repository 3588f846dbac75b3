package cti

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// maxConfigMessages bounds what one configuration upload may collect.
const maxConfigMessages = 100_000

// ConfigData is the answer to a configuration request: everything between the solicited
// CONFIG_BEGIN_EVENT and the CONFIG_END_EVENT that is not partial.
type ConfigData struct {
	Begin   *ConfigBeginEvent
	Records []Event // CONFIG_AGENT_EVENT and the others, in wire order
	End     *ConfigEndEvent
}

// ConfigKeys sends CONFIG_REQUEST_KEY_EVENT and waits for CONFIG_KEY_EVENT. Configuration
// requests have no invoke id: only one is outstanding at a time, others wait for their turn. The
// handler gets the answer too. Errors are those of [Client.Do].
func (c *Client) ConfigKeys(ctx context.Context, r *ConfigRequestKeyEvent) (*ConfigKeyEvent, error) {
	a, err := c.configure(ctx, r, &configWait{key: true})
	return a.key, err
}

// ConfigUpload sends CONFIG_REQUEST_EVENT and collects the records. The timeout of requests counts from
// the last configuration message. The handler gets all the messages too, in wire order, so
// a caller that builds on its handler may ignore the result. See [Client.ConfigKeys].
func (c *Client) ConfigUpload(ctx context.Context, r *ConfigRequestEvent) (*ConfigData, error) {
	a, err := c.configure(ctx, r, &configWait{data: &ConfigData{}})
	return a.data, err
}

// ConfigKeys is [Client.ConfigKeys] on the connection of the session.
func (s *Session) ConfigKeys(ctx context.Context, r *ConfigRequestKeyEvent) (*ConfigKeyEvent, error) {
	c := s.current.Load()
	if c == nil {
		return nil, s.downError()
	}
	return c.ConfigKeys(ctx, r)
}

// ConfigUpload is [Client.ConfigUpload] on the connection of the session.
func (s *Session) ConfigUpload(ctx context.Context, r *ConfigRequestEvent) (*ConfigData, error) {
	c := s.current.Load()
	if c == nil {
		return nil, s.downError()
	}
	return c.ConfigUpload(ctx, r)
}

type configAnswer struct {
	key  *ConfigKeyEvent
	data *ConfigData
	err  error
}

// configWait is the outstanding configuration request of a connection. Its fields are guarded
// by the slot.
type configWait struct {
	key    bool // waits for CONFIG_KEY_EVENT, else for an upload
	data   *ConfigData
	inside bool // between a solicited begin and its end
	last   time.Time
	answer chan configAnswer // capacity 1
}

// configSlot is the place for one configuration request at a time.
type configSlot struct {
	busy atomic.Bool // quick look for the reader

	mu   sync.Mutex
	wait *configWait
	free chan struct{} // closed when wait becomes nil
	err  error         // the connection is over
}

func (c *Client) configure(ctx context.Context, r Message, w *configWait) (configAnswer, error) {
	if err := ctx.Err(); err != nil {
		return configAnswer{}, err
	}
	select {
	case <-c.opened:
	default:
		return configAnswer{}, fmt.Errorf("%w: not open yet", ErrDown)
	}
	w.answer = make(chan configAnswer, 1)
	if err := c.config.enter(ctx, w); err != nil {
		return configAnswer{}, err
	}
	c.count.requests.Add(1)
	if err := c.out.put(ctx, r, false); err != nil {
		c.config.leave(w)
		return configAnswer{}, err
	}
	limit := c.o.RequestTimeout
	var expired <-chan time.Time
	var timer *time.Timer
	if limit > 0 {
		timer = time.NewTimer(limit)
		defer timer.Stop()
		expired = timer.C
	}
	for {
		select {
		case a := <-w.answer:
			if a.err != nil {
				c.count.requestErrors.Add(1)
				// Only the answer itself: the reason of a lost session belongs to all.
				if se, ok := a.err.(*StatusError); ok {
					se.Request = r.Type()
				}
			}
			return a, a.err
		case <-ctx.Done():
			// The slot stays taken until the answer came: the next answer must not be
			// mistaken for that of another request.
			c.count.canceled.Add(1)
			return configAnswer{}, fmt.Errorf("cti: %s: %w", r.Type(), ctx.Err())
		case <-expired:
			if rest := limit - c.config.quiet(w); rest > 0 {
				timer.Reset(rest)
				continue
			}
			c.config.leave(w)
			c.count.timeouts.Add(1)
			return configAnswer{}, fmt.Errorf("cti: %s after %v: %w", r.Type(), limit, ErrRequestTimeout)
		}
	}
}

// enter waits for the slot.
func (s *configSlot) enter(ctx context.Context, w *configWait) error {
	for {
		s.mu.Lock()
		if s.err != nil {
			s.mu.Unlock()
			return s.err
		}
		if s.wait == nil || time.Since(s.wait.last) > staleConfig {
			s.clear()
			w.last = time.Now()
			s.wait, s.free = w, make(chan struct{})
			s.busy.Store(true)
			s.mu.Unlock()
			return nil
		}
		free, rest := s.free, staleConfig-time.Since(s.wait.last)
		s.mu.Unlock()
		t := time.NewTimer(rest + time.Millisecond)
		select {
		case <-free:
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
		t.Stop()
	}
}

// staleConfig is how long a request without any sign of an answer keeps the slot.
const staleConfig = time.Minute

// clear empties the slot; s.mu is held.
func (s *configSlot) clear() {
	if s.wait != nil {
		s.wait = nil
		close(s.free)
		s.busy.Store(false)
	}
}

func (s *configSlot) leave(w *configWait) {
	s.mu.Lock()
	if s.wait == w {
		s.clear()
	}
	s.mu.Unlock()
}

// quiet returns the time since the last message for w.
func (s *configSlot) quiet(w *configWait) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(w.last)
}

// fail ends the outstanding request and refuses later ones.
func (s *configSlot) fail(inFlight, later error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = later
	if s.wait != nil {
		s.wait.answer <- configAnswer{err: inFlight}
		s.clear()
	}
}

// fails takes a FAILURE_CONF for the outstanding request. It has no invoke id that could be
// repeated, so 0 is taken for it (assumed).
func (s *configSlot) fails(id uint32, err error) bool {
	if id != 0 || !s.busy.Load() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wait == nil {
		return false
	}
	s.wait.answer <- configAnswer{err: err}
	s.clear()
	return true
}

// receive lets the outstanding request see a message.
func (s *configSlot) receive(e Event) {
	if !s.busy.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.wait
	if w == nil {
		return
	}
	switch m := e.(type) {
	case *ConfigKeyEvent:
		if w.key {
			w.answer <- configAnswer{key: m}
			s.clear()
		}
	case *ConfigBeginEvent:
		// 2 is an update that nobody asked for.
		if !w.key && m.ConfigType != 2 {
			w.inside, w.last = true, time.Now()
			if w.data.Begin == nil {
				w.data.Begin = m
			}
		}
	case *ConfigEndEvent:
		if !w.inside {
			return
		}
		w.inside, w.last = false, time.Now()
		if m.ConfigEndStatus == ConfigEndStatusPartial {
			return
		}
		w.data.End = m
		w.answer <- configAnswer{data: w.data}
		s.clear()
	default:
		msg, ok := e.(Message)
		if !ok || !w.inside || !configRecord(msg.Type()) {
			return
		}
		w.last = time.Now()
		if len(w.data.Records) == maxConfigMessages {
			w.answer <- configAnswer{err: &ProtocolError{Text: "configuration without end"}}
			s.clear()
			return
		}
		w.data.Records = append(w.data.Records, e)
	}
}

// configRecord tells the messages that carry configuration records.
func configRecord(t MessageType) bool {
	switch t {
	case TypeConfigServiceEvent, TypeConfigSkillGroupEvent, TypeConfigAgentEvent, TypeConfigDeviceEvent,
		TypeConfigCallTypeEvent, TypeConfigMRDEvent, TypeConfigPeripheralEvent, TypeConfigAgentDeskSettingsEvent,
		TypeConfigTerminalEvent, TypeConfigAgentServiceEvent:
		return true
	}
	return false
}
