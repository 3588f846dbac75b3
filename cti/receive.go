package cti

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// read is the reader goroutine: it cuts frames, decodes them, answers what has to be answered
// at once, and passes the rest on.
func (c *Client) read() {
	fr := NewFrameReader(c.conn, c.version)
	var err error
	for {
		var t MessageType
		var body []byte
		if t, body, err = fr.Next(); err != nil {
			err = streamError(err)
			break
		}
		c.lastRecv.Store(int64(time.Since(c.start)))
		c.count.messagesIn.Add(1)
		size := HeaderSize + len(body)
		c.count.bytesIn.Add(uint64(size))
		m, derr := DecodeMessage(t, body, c.version)
		if derr != nil {
			if err = c.undecodable(t, body, size, derr); err != nil {
				break
			}
			continue
		}
		c.out.text.decode(m)
		if c.out.trace != nil {
			c.out.trace(m, false, size)
		}
		if err = c.receive(m, body); err != nil {
			break
		}
	}
	c.fail(err)
	c.queue.close()
}

// streamError says why no more messages come.
func streamError(err error) error {
	var de *DecodeError
	switch {
	case errors.Is(err, ErrTooLarge):
		return &ProtocolError{Text: "frame", Err: err}
	case errors.As(err, &de): // the stream ended within a message
		return err
	case errors.Is(err, io.EOF):
		return fmt.Errorf("cti: connection closed by the server: %w", err)
	}
	return fmt.Errorf("cti: connection lost: %w", err)
}

// receive handles one message. An error ends the connection.
func (c *Client) receive(m Message, body []byte) error {
	size := HeaderSize + len(body)
	switch m := m.(type) {
	case *OpenConf:
		return c.receiveOpen(m)
	case *FailureConf:
		return c.receiveFailure(m)
	case *ControlFailureConf:
		return c.receiveControlFailure(m)
	case *HeartbeatConf:
		if !c.beats.confirm() {
			c.orphan(m.Type(), m.InvokeID)
		}
		return nil
	case *CloseConf:
		select {
		case <-c.closeConf:
		default:
			close(c.closeConf)
		}
		return nil
	case *FailureEvent:
		return c.receiveFailureEvent(m, size)
	case *ActiveMaintenanceReq:
		// At once and from here: one slow client keeps a whole PG from being maintained
		// (CCE administration guide, graceful shut-down; 5 s, silence counts as no).
		if err := c.out.put(context.Background(), &ActiveMaintenanceResp{InvokeID: m.InvokeID, MaintenanceModeAccepted: true}, true); err != nil {
			return err
		}
		c.log.Info("server asks for maintenance mode: accepted")
		return c.pass(m, size)
	case *StandbyActiveEvent:
		if !c.isActive && c.isOpen {
			c.isActive = true
			close(c.promoted)
		}
		return c.pass(m, size)
	case *ActiveMaintenanceEvent:
		if m.MaintenanceModeStatus && !c.maintained && c.isOpen {
			c.maintained = true
			c.log.Info("server goes into maintenance mode")
			close(c.maintain)
		}
		return c.pass(m, size)
	}
	switch m := m.(type) {
	case *FailureResp:
		// It may answer an indication, which nobody waits for.
		if !c.calls.waits(m.Invoke()) {
			return c.pass(&Raw{MessageType: m.Type(), Body: m.Body}, size)
		}
		c.settle(m.Invoke(), m, nil)
		return nil
	case Confirm:
		c.settle(m.Invoke(), m, nil)
		return nil
	case *Raw:
		c.count.unknownTypes.Add(1)
		return c.pass(m, size)
	case Event:
		c.config.receive(m)
		return c.pass(m, size)
	}
	// A message that only clients send.
	return c.pass(&Raw{MessageType: m.Type(), Body: append([]byte(nil), body...)}, size)
}

// pass puts an event into the queue, or keeps it until the session is open: the protocol
// does not say that nothing may come before OPEN_CONF.
func (c *Client) pass(e Event, size int) error {
	if !c.isOpen {
		if len(c.early) >= maxEarlyMessages {
			return &ProtocolError{Text: fmt.Sprintf("more than %d messages before OPEN_CONF", maxEarlyMessages)}
		}
		c.early = append(c.early, queued{e, size})
		return nil
	}
	c.count.events.Add(1)
	if !c.queue.push(e, size) {
		c.log.Error("the handler does not keep up: connection ended", "events", c.queue.n.Load())
		return ErrSlowConsumer
	}
	return nil
}

func (c *Client) receiveOpen(m *OpenConf) error {
	if c.isOpen || m.InvokeID != c.openID {
		c.orphan(m.Type(), m.InvokeID)
		return nil
	}
	c.isOpen = true
	c.openReply = m
	if n := len(c.early); n > 0 {
		c.log.Warn("events before OPEN_CONF", "events", n)
		for _, q := range c.early {
			c.count.events.Add(1)
			if !c.queue.push(q.e, q.size) {
				return ErrSlowConsumer
			}
		}
		c.early = nil
	}
	close(c.opened)
	return nil
}

func (c *Client) receiveFailure(m *FailureConf) error {
	err := statusError(m)
	switch {
	case !c.isOpen && m.InvokeID == c.openID:
		err.Request = TypeOpenReq
		return err
	case c.beats.sent(m.InvokeID):
		// Guide, Heartbeat: the server is off line.
		err.Request = TypeHeartbeatReq
		return err
	case c.config.fails(m.InvokeID, err):
		return nil
	}
	c.settle(m.InvokeID, m, err)
	return nil
}

func (c *Client) receiveControlFailure(m *ControlFailureConf) error {
	err := &ControlError{InvokeID: m.InvokeID, Code: m.FailureCode, PeripheralErrorCode: m.PeripheralErrorCode}
	if !c.isOpen && m.InvokeID == c.openID {
		err.Request = TypeOpenReq
		return err
	}
	c.settle(m.InvokeID, m, err)
	return nil
}

func (c *Client) receiveFailureEvent(m *FailureEvent, size int) error {
	err := &StatusError{Status: m.Status}
	if !c.isOpen {
		return err
	}
	switch m.Status {
	case StatusCodeCTIServerOffline, StatusCodeServerNotMaster, StatusCodeServerInMaintenanceMode, StatusCodeNewSessionOpened:
		// The session is over; the handler sees the reason in SessionDown.
		return err
	}
	return c.pass(m, size)
}

// settle gives an answer to the request that waits for it.
func (c *Client) settle(id uint32, conf Confirm, err error) {
	call, late := c.calls.take(id)
	switch {
	case call != nil:
		switch e := err.(type) {
		case nil:
			call.answer <- answer{conf: conf}
		case *StatusError:
			e.Request = call.request
			call.answer <- answer{err: e}
		case *ControlError:
			e.Request = call.request
			call.answer <- answer{err: e}
		default:
			call.answer <- answer{err: err}
		}
	case late:
		c.count.lateAnswers.Add(1)
		c.log.Debug("late answer", "msg_type", conf.Type().String(), "invoke_id", id)
	default:
		c.orphan(conf.Type(), id)
	}
}

func (c *Client) orphan(t MessageType, id uint32) {
	c.count.orphans.Add(1)
	c.log.Warn("confirmation that nobody asked for", "msg_type", t.String(), "invoke_id", id)
}

// undecodable handles a message whose body breaks its layout. The frame was sound, so the
// stream is in step and the connection can go on: a request gets the error as its answer, an
// event goes to the handler as *Raw. Only messages of the session itself end it.
func (c *Client) undecodable(t MessageType, body []byte, size int, err error) error {
	c.count.decodeErrors.Add(1)
	c.log.Warn("message does not decode", "msg_type", t.String(), "err", err.Error())
	raw := &Raw{MessageType: t, Body: append([]byte(nil), body...)}
	if c.out.trace != nil {
		c.out.trace(raw, false, size)
	}
	switch t {
	case TypeOpenConf, TypeFailureConf, TypeFailureEvent:
		return &ProtocolError{Text: t.String(), Err: err}
	}
	if _, ok := NewMessage(t).(Confirm); ok {
		if len(body) < 4 {
			c.orphan(t, 0)
			return nil
		}
		id := binary.BigEndian.Uint32(body)
		if call, late := c.calls.take(id); call != nil {
			call.answer <- answer{err: err}
		} else if late {
			c.count.lateAnswers.Add(1)
		} else {
			c.orphan(t, id)
		}
		return nil
	}
	return c.pass(raw, size)
}
