package cti_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/internal/testnet"
)

// openClient opens a client of version 25 to a peer made of bytes.
func openClient(t *testing.T, change func(*cti.Options)) (*cti.Client, *peerConn) {
	t.Helper()
	o := &cti.Options{Versions: []cti.Version{cti.Version25}, ClientID: "test"}
	if change != nil {
		change(o)
	}
	near, far := testnet.Pipe()
	t.Cleanup(func() { far.Close() })
	p := &peerConn{Conn: far, t: t}
	c, err := cti.NewClient(near, o)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := c.Open(t.Context())
		done <- err
	}()
	p.open()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	// The peer's end goes first: then Close need not wait for CLOSE_CONF.
	t.Cleanup(func() { far.Close(); c.Close() })
	return c, p
}

func TestOpenSendsTheFieldsOfTheGuide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := testnet.Pipe()
		c, err := cti.NewClient(near, &cti.Options{
			Versions: []cti.Version{cti.Version19}, ClientID: "cl", Password: "pw", HeartbeatInterval: 7 * time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		go c.Open(t.Context())
		p := &peerConn{Conn: far, t: t}
		got := p.want(openReq)
		// Guide, OPEN_REQ: InvokeID, VersionNumber, IdleTimeout (4 x 7 s), PeripheralID (none),
		// ServicesRequested (all events, call data, control, no duplicates), CallMsgMask,
		// AgentStateMask, ConfigMsgMask, three reserved; ClientID (tag 1) with NUL, ClientPassword
		// (tag 2); one byte tags up to version 19.
		want := frame(openReq, uint32(1), uint32(19), uint32(28), uint32(0xFFFFFFFF), uint32(0x100016), uint32(0x1FFFFF),
			uint32(0x3FFF), uint32(0), uint32(0), uint32(0), uint32(0), uint8(1), uint8(3), "cl\x00", uint8(2), uint8(2), "pw")[8:]
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("OPEN_REQ (-want +got):\n%s", d)
		}
		far.Close()
		c.Close()
	})
}

func TestUniqueInstanceIDGoesWithTheTagOfTheSite(t *testing.T) {
	for _, c := range []struct {
		name    string
		version cti.Version
		tag     cti.Tag
		want    string // after the password
	}{
		{"version 24", cti.Version24, 308, "\x01\x34\x00\x03id\x00"},
		{"no tag", cti.Version24, 0, ""},
		{"version 23", cti.Version23, 308, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := testnet.Pipe()
				client, err := cti.NewClient(near, &cti.Options{
					Versions: []cti.Version{c.version}, ClientID: "cl", UniqueInstanceID: "id", UniqueInstanceTag: c.tag,
				})
				if err != nil {
					t.Fatal(err)
				}
				go client.Open(t.Context())
				got := (&peerConn{Conn: far, t: t}).want(openReq)
				// Guide, OPEN_REQ: 44 bytes fixed; ClientID (tag 1), an empty ClientPassword (tag 2).
				want := "\x00\x01\x00\x03cl\x00" + "\x00\x02\x00\x00" + c.want
				if d := cmp.Diff(want, string(got[44:])); d != "" {
					t.Errorf("floating part (-want +got):\n%s", d)
				}
				far.Close()
				client.Close()
			})
		})
	}
}

func TestIdleTimeoutIsAtLeastTwentySecondsOrNever(t *testing.T) {
	for _, tt := range []struct {
		interval time.Duration
		want     uint32
	}{{0, 20}, {2 * time.Second, 20}, {90 * time.Second, 360}, {5500 * time.Millisecond, 22}, {-1, 0xFFFFFFFF}} {
		near, far := testnet.Pipe()
		c, err := cti.NewClient(near, &cti.Options{HeartbeatInterval: tt.interval})
		if err != nil {
			t.Fatal(err)
		}
		go c.Open(t.Context())
		body := (&peerConn{Conn: far, t: t}).want(openReq)
		if got := binary.BigEndian.Uint32(body[8:]); got != tt.want {
			t.Errorf("interval %v: idle timeout %d, want %d", tt.interval, got, tt.want)
		}
		far.Close()
		c.Close()
	}
}

func TestRefusedOpenIsAStatusErrorInEitherLayout(t *testing.T) {
	for name, answer := range map[string]func(id uint32) []byte{
		"8 bytes, guide 23":  func(id uint32) []byte { return frame(failureConf, id, uint32(92)) },
		"10 bytes, guide 24": func(id uint32) []byte { return frame(failureConf, id, uint16(92), uint32(0)) },
	} {
		for _, v := range []cti.Version{cti.Version23, cti.Version25} {
			near, far := testnet.Pipe()
			c, err := cti.NewClient(near, &cti.Options{Versions: []cti.Version{v}})
			if err != nil {
				t.Fatal(err)
			}
			p := &peerConn{Conn: far, t: t}
			go func() {
				_, body, ok := p.next()
				if ok {
					p.Write(answer(id(body)))
				}
			}()
			_, err = c.Open(t.Context())
			var se *cti.StatusError
			if !errors.As(err, &se) || se.Status != cti.StatusCodeServerNotMaster || !errors.Is(err, cti.StatusCodeServerNotMaster) {
				t.Errorf("%s, version %v: %v", name, v, err)
			}
			far.Close()
			c.Close()
		}
	}
}

func TestOpenGivesUpAfterThirtySeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := testnet.Pipe()
		defer far.Close()
		c, err := cti.NewClient(near, nil)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = c.Open(t.Context())
		if !cti.IsTimeout(err) || time.Since(start) != 30*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		c.Close()
	})
}

func TestAnswersMayComeInAnyOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := openClient(t, nil)
		type result struct {
			conf *cti.AnswerCallConf
			err  error
		}
		results := make(chan result, 3)
		for i := range 3 {
			go func() {
				conf, err := c.AnswerCall(t.Context(), &cti.AnswerCallReq{ConnectionCallID: uint32(i)})
				results <- result{conf, err}
			}()
		}
		var ids []uint32
		for range 3 {
			ids = append(ids, id(p.want(answerCallReq)))
		}
		p.send(frame(answerCallConf, ids[2]), frame(controlFailureConf, ids[0], uint16(22), uint32(7)), frame(failureConf, ids[1], uint16(13), uint32(0)))
		var ok, control, status int
		for range 3 {
			r := <-results
			var ce *cti.ControlError
			switch {
			case r.err == nil && r.conf.InvokeID == ids[2]:
				ok++
			case errors.As(r.err, &ce) && errors.Is(r.err, cti.ControlFailureCode(22)) && ce.PeripheralErrorCode == 7 && ce.Request == cti.TypeAnswerCallReq:
				control++
			case errors.Is(r.err, cti.StatusCodeInvalidCallID):
				status++
			default:
				t.Errorf("%+v", r)
			}
		}
		if ok != 1 || control != 1 || status != 1 {
			t.Errorf("%d confirmed, %d control failures, %d failures", ok, control, status)
		}
		if s := c.Stats(); s.Requests != 3 || s.RequestErrors != 2 || s.Latency.Count != 3 {
			t.Errorf("%+v", s)
		}
	})
}

func TestCanceledAndLateAnswersAreCountedAndIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := openClient(t, func(o *cti.Options) { o.HeartbeatInterval = -1 })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := c.AnswerCall(ctx, &cti.AnswerCallReq{})
			done <- err
		}()
		first := id(p.want(answerCallReq))
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: %v", err)
		}
		start := time.Now()
		_, err := c.AnswerCall(t.Context(), &cti.AnswerCallReq{})
		if !errors.Is(err, cti.ErrRequestTimeout) || time.Since(start) != cti.DefaultRequestTimeout {
			t.Errorf("timeout: %v after %v", err, time.Since(start))
		}
		second := id(p.want(answerCallReq))
		// Late answers, one of them twice, and one for nobody: the next request still works.
		p.send(frame(answerCallConf, first), frame(failureConf, second, uint32(16)), frame(answerCallConf, uint32(4711)))
		go func() {
			_, err := c.AnswerCall(t.Context(), &cti.AnswerCallReq{})
			done <- err
		}()
		p.send(frame(answerCallConf, id(p.want(answerCallReq))))
		if err := <-done; err != nil {
			t.Error(err)
		}
		if s := c.Stats(); s.LateAnswers != 2 || s.Orphans != 1 || s.Canceled != 1 || s.Timeouts != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestRequestInFlightIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := openClient(t, nil)
		done := make(chan error)
		go func() {
			_, err := c.AnswerCall(t.Context(), &cti.AnswerCallReq{})
			done <- err
		}()
		p.want(answerCallReq)
		p.Close()
		err := <-done
		if !errors.Is(err, cti.ErrInterrupted) || errors.Is(err, cti.ErrDown) || cti.IsRetryable(err) || !errors.Is(err, io.EOF) {
			t.Errorf("in flight: %v", err)
		}
		if _, err := c.AnswerCall(t.Context(), &cti.AnswerCallReq{}); !errors.Is(err, cti.ErrDown) || errors.Is(err, cti.ErrInterrupted) {
			t.Errorf("afterwards: %v", err)
		}
		<-c.Done()
		if c.Err() == nil {
			t.Error("no reason")
		}
	})
}

func TestThreeUnconfirmedHeartbeatsEndTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := openClient(t, nil)
		start := time.Now()
		var beats []time.Duration
		for {
			typ, _, ok := p.next()
			if !ok {
				break
			}
			if typ == heartbeatReq {
				beats = append(beats, time.Since(start))
			}
		}
		want := []time.Duration{5 * time.Second, 10 * time.Second, 15 * time.Second}
		if d := cmp.Diff(want, beats); d != "" {
			t.Errorf("heartbeats (-want +got):\n%s", d)
		}
		<-c.Done()
		if !errors.Is(c.Err(), cti.ErrHeartbeat) || time.Since(start) != 20*time.Second {
			t.Errorf("%v after %v", c.Err(), time.Since(start))
		}
	})
}

func TestConfirmedHeartbeatsGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := openClient(t, nil)
		go p.serve(nil)
		time.Sleep(time.Hour)
		if err := c.Err(); err != nil {
			t.Fatal(err)
		}
		if s := c.Stats(); s.Heartbeats != 720 && s.Heartbeats != 719 || s.HeartbeatsLost != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestNoHeartbeatWhileRequestsAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := openClient(t, nil)
		go p.serve(func(typ uint32, body []byte) []byte { return frame(answerCallConf, id(body)) })
		for range 100 {
			time.Sleep(3 * time.Second)
			if _, err := c.AnswerCall(t.Context(), &cti.AnswerCallReq{}); err != nil {
				t.Fatal(err)
			}
		}
		if s := c.Stats(); s.Heartbeats != 0 {
			t.Errorf("%d heartbeats", s.Heartbeats)
		}
	})
}

func TestHeartbeatsFindADeadPeerWhileRequestsGoOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := openClient(t, nil)
		go p.serve(func(uint32, []byte) []byte { return nil })
		stop := make(chan struct{})
		defer close(stop)
		p.Conn.(*testnet.Conn).Stall(true)
		go func() {
			for {
				select {
				case <-stop:
					return
				case <-c.Done():
					return
				case <-time.After(time.Second):
					c.Send(context.Background(), &cti.MakeAgentReadyInd{Body: []byte{0, 0, 0, 1}})
				}
			}
		}()
		start := time.Now()
		<-c.Done()
		if !errors.Is(c.Err(), cti.ErrHeartbeat) || time.Since(start) > 25*time.Second {
			t.Errorf("%v after %v", c.Err(), time.Since(start))
		}
	})
}

func TestFailedHeartbeatEndsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := openClient(t, nil)
		p.send(frame(failureConf, id(p.want(heartbeatReq)), uint16(15), uint32(0)))
		<-c.Done()
		if !errors.Is(c.Err(), cti.StatusCodeCTIServerOffline) {
			t.Error(c.Err())
		}
	})
}

func TestEventsBeforeOpenConfAreKeptInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := testnet.Pipe()
		rec := &recorder{}
		c, err := cti.NewClient(near, &cti.Options{Versions: []cti.Version{cti.Version25}, Handler: rec})
		if err != nil {
			t.Fatal(err)
		}
		p := &peerConn{Conn: far, t: t}
		go func() {
			open := id(p.want(openReq))
			p.send(textFYI(1), textFYI(2), openConfV25(open), textFYI(3))
			p.serve(nil)
		}()
		if _, err := c.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if d := cmp.Diff([]string{"fyi(1)", "fyi(2)", "fyi(3)"}, rec.names()); d != "" {
			t.Errorf("events (-want +got):\n%s", d)
		}
		c.Close()
	})
}

func TestTooMuchBeforeOpenConfIsAProtocolError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := testnet.Pipe()
		c, err := cti.NewClient(near, &cti.Options{Versions: []cti.Version{cti.Version25}})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				if _, err := far.Write(textFYI(1)); err != nil {
					return
				}
			}
		}()
		_, err = c.Open(t.Context())
		var pe *cti.ProtocolError
		if !errors.As(err, &pe) {
			t.Errorf("%v", err)
		}
		c.Close()
		far.Close()
	})
}

func TestBrokenFramesEndOnlyTheirConnection(t *testing.T) {
	for name, tt := range map[string]struct {
		bytes []byte
		close bool
		want  error
	}{
		"header cut":          {[]byte{0, 0, 0}, true, io.ErrUnexpectedEOF},
		"body cut":            {textFYI(1)[:20], true, io.ErrUnexpectedEOF},
		"length over limit":   {binary.BigEndian.AppendUint32(nil, 12493), false, cti.ErrTooLarge},
		"length of 4 GB":      {[]byte{0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 31}, false, cti.ErrTooLarge},
		"length wraps with 8": {[]byte{0xFF, 0xFF, 0xFF, 0xF8, 0, 0, 0, 31}, false, cti.ErrTooLarge},
		"HTTP instead of GED": {[]byte("HTTP/1.1 400 Bad Request\r\n"), false, cti.ErrTooLarge},
		"the end, no more":    {nil, true, io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := openClient(t, nil)
				if len(tt.bytes) == 4 {
					tt.bytes = append(tt.bytes, 0, 0, 0, 31)
				}
				p.send(tt.bytes)
				if tt.close {
					p.Close()
				}
				<-c.Done()
				if !errors.Is(c.Err(), tt.want) {
					t.Errorf("%v, want %v", c.Err(), tt.want)
				}
			})
		})
	}
}

func TestBrokenBodiesDoNotEndTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		c, p := openClient(t, func(o *cti.Options) { o.Handler = rec })
		done := make(chan error)
		go func() {
			_, err := c.QueryAgentState(t.Context(), &cti.QueryAgentStateReq{})
			done <- err
		}()
		req := id(p.want(queryAgentReq))
		p.send(
			frame(systemEvent), // zero length
			frame(systemEvent, textFYI(0)[8:], uint16(7), uint16(0xFFFF)), // floating field past the end
			frame(systemEvent, []byte("short")),                           // fixed part cut
			frame(60_000, uint32(1)),                                      // unknown type
			frame(queryAgentReq+1, req, uint16(1)),                        // our answer, cut
			frame(answerCallConf),                                         // an answer without invoke id
			frame(standbyActive),                                          // header only is right here
			textFYI(9),
		)
		var de *cti.DecodeError
		if err := <-done; !errors.As(err, &de) || de.Message != "QUERY_AGENT_STATE_CONF" {
			t.Errorf("broken answer: %v", err)
		}
		synctest.Wait()
		if err := c.Err(); err != nil {
			t.Fatal(err)
		}
		want := []string{"raw(31)", "raw(31)", "raw(31)", "raw(60000)", "STANDBY_ACTIVE_EVENT", "fyi(9)"}
		if d := cmp.Diff(want, rec.names()); d != "" {
			t.Errorf("events (-want +got):\n%s", d)
		}
		if s := c.Stats(); s.DecodeErrors != 5 || s.UnknownTypes != 1 || s.Orphans != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestEveryChunkingDeliversTheSame(t *testing.T) {
	var stream []byte
	for i := range uint32(20) {
		stream = append(stream, textFYI(i)...)
	}
	for _, size := range []int{1, 3, 7, 8, 9, 100, len(stream)} {
		synctest.Test(t, func(t *testing.T) {
			rec := &recorder{}
			_, p := openClient(t, func(o *cti.Options) { o.Handler = rec })
			for b := stream; len(b) > 0; {
				k := min(size, len(b))
				p.send(b[:k])
				b = b[k:]
				synctest.Wait()
			}
			if got := rec.names(); len(got) != 20 || got[19] != "fyi(19)" {
				t.Errorf("pieces of %d: %v", size, got)
			}
		})
	}
}

func TestSlowConsumerEndsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		block := make(chan struct{})
		var got []cti.Event
		h := cti.HandlerFunc(func(_ context.Context, e cti.Event) {
			<-block
			got = append(got, e)
		})
		c, p := openClient(t, func(o *cti.Options) { o.Handler, o.QueueLimit = h, 10 })
		for i := range uint32(11) {
			p.send(textFYI(i))
		}
		<-c.Done()
		if !errors.Is(c.Err(), cti.ErrSlowConsumer) {
			t.Errorf("%v", c.Err())
		}
		close(block)
		synctest.Wait()
		if len(got) != 10 {
			t.Errorf("%d events of the 10 that fitted were delivered", len(got))
		}
		if s := c.Stats(); s.QueueMax != 10 || s.QueueLen != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestQueueIsBoundedInBytesToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		block := make(chan struct{})
		h := cti.HandlerFunc(func(context.Context, cti.Event) { <-block })
		c, p := openClient(t, func(o *cti.Options) { o.Handler, o.QueueBytes = h, 5*len(textFYI(1)) })
		for i := range uint32(6) {
			p.send(textFYI(i))
		}
		<-c.Done()
		if !errors.Is(c.Err(), cti.ErrSlowConsumer) {
			t.Errorf("%v", c.Err())
		}
		close(block)
	})
}

func TestHandlerMaySendRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c *cti.Client
		errs := make(chan error, 1)
		h := cti.HandlerFunc(func(ctx context.Context, e cti.Event) {
			_, err := c.AnswerCall(ctx, &cti.AnswerCallReq{})
			errs <- err
		})
		c, p := openClient(t, func(o *cti.Options) {
			o.Handler = cti.HandlerFunc(func(ctx context.Context, e cti.Event) { h(ctx, e) })
		})
		_ = c
		p.send(textFYI(1))
		p.send(frame(answerCallConf, id(p.want(answerCallReq))))
		if err := <-errs; err != nil {
			t.Error(err)
		}
	})
}

func TestMaintenanceIsAcceptedAtOnceByTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		block := make(chan struct{})
		rec := &recorder{}
		h := cti.HandlerFunc(func(ctx context.Context, e cti.Event) {
			<-block
			rec.HandleEvent(ctx, e)
		})
		_, p := openClient(t, func(o *cti.Options) { o.Handler = h })
		p.send(textFYI(1)) // the handler is stuck in this one
		synctest.Wait()
		start := time.Now()
		// Guide 12.6, ACTIVE_MAINTENANCE_REQ: InvokeID; ACTIVE_MAINTENANCE_RESP: InvokeID,
		// MaintenanceModeAccepted BOOL.
		p.send(frame(maintenanceReq, uint32(77)))
		if got := p.want(maintenanceResp); !bytes.Equal(got, []byte{0, 0, 0, 77, 0, 1}) || time.Since(start) != 0 {
			t.Errorf("%x after %v", got, time.Since(start))
		}
		close(block)
		synctest.Wait()
		if d := cmp.Diff([]string{"fyi(1)", "ACTIVE_MAINTENANCE_REQ"}, rec.names()); d != "" {
			t.Errorf("events (-want +got):\n%s", d)
		}
	})
}

func TestMaintenanceEventLetsTheClientLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := openClient(t, nil)
		done := make(chan error)
		go func() {
			_, err := c.AnswerCall(t.Context(), &cti.AnswerCallReq{})
			done <- err
		}()
		req := id(p.want(answerCallReq))
		p.send(frame(maintenanceEvent, uint16(0))) // canceled: nothing happens
		p.send(frame(maintenanceEvent, uint16(1)))
		time.Sleep(time.Second)
		p.send(frame(answerCallConf, req))
		if err := <-done; err != nil {
			t.Errorf("a request in flight: %v", err)
		}
		start := time.Now()
		p.want(stoppingInd)
		p.Close()
		<-c.Done()
		if time.Since(start) > time.Second {
			t.Errorf("left after %v", time.Since(start))
		}
	})
}

func TestCloseSendsCloseReqAndWaitsAtMostFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := openClient(t, nil)
		go p.serve(nil)
		start := time.Now()
		if err := c.Close(); err != nil || time.Since(start) != 0 {
			t.Errorf("answered: %v after %v", err, time.Since(start))
		}
		if err := c.Close(); err != nil || !errors.Is(c.Err(), cti.ErrClosed) {
			t.Errorf("second: %v, %v", err, c.Err())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		c, p := openClient(t, nil)
		start := time.Now()
		if err := c.Close(); err != nil || time.Since(start) != 5*time.Second {
			t.Errorf("not answered: %v after %v", err, time.Since(start))
		}
		// Guide, CLOSE_REQ: InvokeID, Status E_CTI_NO_ERROR.
		if body := p.want(closeReq); len(body) != 8 || binary.BigEndian.Uint32(body[4:]) != 0 {
			t.Errorf("CLOSE_REQ %x", body)
		}
	})
}

func TestCharsetIsConvertedBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		h := cti.HandlerFunc(func(_ context.Context, e cti.Event) { got = append(got, e.(*cti.SystemEvent).Text) })
		c, p := openClient(t, func(o *cti.Options) { o.Charset, o.Handler = charmap.Windows1252, h })
		// SYSTEM_EVENT with Text (tag 7, STRING): "Müller €" in windows-1252.
		fyi := frame(systemEvent, textFYI(1)[8:], uint16(7), uint16(9), "M\xFCller \x80\x00")
		p.send(fyi, frame(systemEvent, textFYI(1)[8:], uint16(7), uint16(4), "abc\x00"))
		synctest.Wait()
		if d := cmp.Diff([]string{"Müller €", "abc"}, got); d != "" {
			t.Errorf("received (-want +got):\n%s", d)
		}
		req := &cti.SetCallDataReq{CallVariable1: "Zürich 東", NamedVariables: []cti.NamedVar{{Name: "user.x", Value: "ü"}}}
		go c.SetCallData(t.Context(), req)
		_, body, _ := p.next()
		if !bytes.Contains(body, []byte("Z\xFCrich ?\x00")) || !bytes.Contains(body, []byte("user.x\x00\xFC\x00")) {
			t.Errorf("sent %q", body)
		}
		if s := c.Stats(); s.Unmappable != 1 {
			t.Errorf("%d unmappable characters", s.Unmappable)
		}
		if req.CallVariable1 != "Zürich 東" || req.NamedVariables[0].Value != "ü" {
			t.Errorf("the request was changed: %v", req)
		}
	})
}

func TestOptionsReportAllProblems(t *testing.T) {
	_, err := cti.NewSession(&cti.SessionOptions{
		Versions: []cti.Version{12, 99}, QueueLimit: -1, CloseTimeout: -time.Second, MaxBackoff: -1, HeartbeatInterval: time.Millisecond,
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"Versions=12", "Versions=99", "QueueLimit=-1", "CloseTimeout=-1s", "MaxBackoff=-1ns", "HeartbeatInterval=1ms", "A.Addr"} {
		if !bytes.Contains([]byte(err.Error()), []byte(want)) {
			t.Errorf("%q is missing in: %v", want, err)
		}
	}
}

func TestTraceSeesEveryMessageAndNoPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines []string
		near, far := testnet.Pipe()
		c, err := cti.NewClient(near, &cti.Options{Versions: []cti.Version{cti.Version25}, Password: "hush",
			Trace: func(r cti.TraceRecord) {
				dir := "<"
				if r.Sent {
					dir = ">"
				}
				lines = append(lines, dir+r.Message.Type().String())
				if text := cti.Text(r.Message); bytes.Contains([]byte(text), []byte("hush")) || r.Size < 8 || r.Version != 25 {
					t.Errorf("%+v %s", r, text)
				}
			}})
		if err != nil {
			t.Fatal(err)
		}
		p := &peerConn{Conn: far, t: t}
		go func() { p.open(); p.send(textFYI(1)); p.serve(nil) }()
		if _, err := c.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		c.Close()
		want := []string{">OPEN_REQ", "<OPEN_CONF", "<SYSTEM_EVENT", ">CLOSE_REQ", "<CLOSE_CONF"}
		if d := cmp.Diff(want, lines); d != "" {
			t.Errorf("trace (-want +got):\n%s", d)
		}
	})
}

func TestForeignOpenConfIsNotTakenForOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := testnet.Pipe()
		c, err := cti.NewClient(near, &cti.Options{Versions: []cti.Version{cti.Version25}})
		if err != nil {
			t.Fatal(err)
		}
		p := &peerConn{Conn: far, t: t}
		go func() {
			ours := id(p.want(openReq))
			p.send(openConfV25(ours + 1))
			time.Sleep(time.Second)
			p.send(openConfV25(ours), openConfV25(ours))
			p.serve(nil)
		}()
		start := time.Now()
		if _, err := c.Open(t.Context()); err != nil || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		synctest.Wait()
		if s := c.Stats(); s.Orphans != 2 || c.Err() != nil {
			t.Errorf("%d orphans, %v", s.Orphans, c.Err())
		}
		c.Close()
	})
}
