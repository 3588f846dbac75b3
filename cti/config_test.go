package cti_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connects-go/connects/cti"
)

// The end of a session has one reason for everybody, which does not name the
// configuration request that it interrupted.
func TestConfigurationInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := openClient(t, nil)
		keys := make(chan error, 1)
		go func() {
			_, err := c.ConfigKeys(t.Context(), &cti.ConfigRequestKeyEvent{PeripheralID: 5000})
			keys <- err
		}()
		p.want(230)
		// Guide, FAILURE_EVENT: type 2, status UINT; 15 is E_CTI_CTI_SERVER_OFFLINE.
		p.send(frame(2, uint32(15)))
		err := <-keys
		var se *cti.StatusError
		if !errors.Is(err, cti.ErrInterrupted) || !errors.As(err, &se) || se.Status != cti.StatusCodeCTIServerOffline || se.Request != 0 {
			t.Errorf("%v: %+v", err, se)
		}
		<-c.Done()
	})
}

func TestConfigurationRequestsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := openClient(t, nil)
		// Guide 12.5, configuration messages: 230 KEY_REQUEST, 231 KEY, 232 REQUEST, 233 BEGIN
		// (ConfigType USHORT, ConfigInformation UINT), 234 END (Status UINT), 237 agents.
		keys := make(chan error, 1)
		go func() {
			k, err := c.ConfigKeys(t.Context(), &cti.ConfigRequestKeyEvent{PeripheralID: 5000})
			if err == nil && len(k.AgentConfigKey) != 8 {
				err = errors.New("no agent key")
			}
			keys <- err
		}()
		p.want(230)
		type upload struct {
			d   *cti.ConfigData
			err error
		}
		uploads := make(chan upload, 1)
		go func() {
			d, err := c.ConfigUpload(t.Context(), &cti.ConfigRequestEvent{ConfigInformation: 4})
			uploads <- upload{d, err}
		}()
		synctest.Wait()
		// The second request waits: the next message of the client comes after our answer.
		p.send(frame(231, uint32(0), uint16(179), uint16(8), "12345678"))
		if err := <-keys; err != nil {
			t.Error(err)
		}
		p.want(232)
		record := frame(237, uint16(0))
		p.send(
			frame(233, uint16(2), uint32(4)), record, frame(234, uint32(0)), // an update that nobody asked for
			frame(233, uint16(1), uint32(4)), record, textFYI(1), frame(234, uint32(5)), // partial
			frame(233, uint16(1), uint32(4)), record, frame(234, uint32(0)),
		)
		u := <-uploads
		if u.err != nil || len(u.d.Records) != 2 || u.d.Begin == nil || u.d.End.ConfigEndStatus != cti.ConfigEndStatusSuccess {
			t.Errorf("%+v, %v", u.d, u.err)
		}
		start := time.Now()
		go p.serve(nil)
		if _, err := c.ConfigKeys(t.Context(), &cti.ConfigRequestKeyEvent{}); !errors.Is(err, cti.ErrRequestTimeout) || time.Since(start) != cti.DefaultRequestTimeout {
			t.Errorf("no answer: %v after %v", err, time.Since(start))
		}
	})
}
