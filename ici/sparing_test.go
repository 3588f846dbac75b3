package ici_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connects-go/connects/ici"
)

// Anybody who reaches the port can send garbage; the log must not grow with it.
func TestUnreadableRequestsDoNotFloodTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rec records
		s := newServer(t, echo, &ici.ServerOptions{Logger: rec.logger()})
		flood := func(n int) (lines int, last map[string]any) {
			for range n {
				if status, _, _ := send(t, s, "/", []byte("<garbage")); status == http.StatusOK {
					t.Fatal("garbage was taken")
				}
			}
			for _, r := range rec.take(t) {
				if r["msg"] == "ici request unreadable" {
					lines, last = lines+1, r
				}
			}
			return lines, last
		}
		if lines, _ := flood(500); lines != 20 {
			t.Errorf("%d lines for 500 bad requests, want 20", lines)
		}
		time.Sleep(time.Minute)
		if lines, last := flood(1); lines != 1 || last["not_logged"] != 480.0 {
			t.Errorf("after a minute %d lines, %v; want one that tells of 480 more", lines, last)
		}
		if st := s.Stats(); st.Unreadable != 501 {
			t.Errorf("%d counted, want 501", st.Unreadable)
		}
	})
}
