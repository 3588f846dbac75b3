package icitest_test

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/ici/icitest"
)

// Users log on over TCP, get two calls each and log off; the simulator needs no goroutine per user.
func TestManyUsers(t *testing.T) {
	const users = 200
	c := newCMS(t, nil)
	ln := got(net.Listen("tcp", "127.0.0.1:0"))(t)
	serve(t, c, ln)
	sap := newSAP(t, &icitest.Config{Connector: "http://" + ln.Addr().String()})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	before := runtime.NumGoroutine()
	sessions := make([]*icitest.Session, users)
	each := func(f func(i int) error) {
		t.Helper()
		var wg sync.WaitGroup
		todo := make(chan int)
		for range 32 {
			wg.Go(func() {
				for i := range todo {
					if err := f(i); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for i := range users {
			todo <- i
		}
		close(todo)
		wg.Wait()
		if t.Failed() {
			t.FailNow()
		}
	}
	each(func(i int) (err error) {
		sessions[i], err = sap.Logon(ctx, icitest.UserSpec{User: fmt.Sprint("AGENT", i), Language: "DE", Workcenter: "1;2;3", Ready: true})
		return err
	})
	if extra := runtime.NumGoroutine() - before; extra > users/2+300 {
		t.Errorf("%d goroutines for %d users who are logged on", extra, users)
	}
	for range 2 {
		each(func(i int) error {
			m := sessions[i]
			id := c.offer(m.User, "+41315550100")
			if _, err := m.WaitCall(ctx, id, ici.PhoneCallStatusOffered); err != nil {
				return err
			}
			if err := m.AcceptCall(ctx, id); err != nil {
				return err
			}
			if _, err := m.WaitCall(ctx, id, ici.PhoneCallStatusConnected); err != nil {
				return err
			}
			if err := m.DropCall(ctx, id); err != nil {
				return err
			}
			_, err := m.WaitCall(ctx, id, ici.PhoneCallStatusEnded)
			return err
		})
	}
	each(func(i int) error { return sessions[i].Logoff(ctx) })
	clean(t, sap)
	if st := sap.Stats(); st.Sessions != 0 || st.Events != uint64(8*users) {
		t.Errorf("statistics %+v, want no session and %d events", st, 8*users)
	}
}

// BenchmarkUsers logs 1,000 users on over TCP and measures what they cost while nothing happens, simulator and connector
// together. One operation is one logon.
func BenchmarkUsers(b *testing.B) {
	const users = 1000
	var heap, goroutines float64
	logons := 0
	for b.Loop() {
		c := newCMS(b, nil)
		ln := got(net.Listen("tcp", "127.0.0.1:0"))(b)
		serve(b, c, ln)
		sap := newSAP(b, &icitest.Config{Connector: "http://" + ln.Addr().String()})
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		g := runtime.NumGoroutine()
		for i := range users {
			got(sap.Logon(b.Context(), icitest.UserSpec{User: fmt.Sprint("AGENT", i), Language: "DE", Workcenter: "1;2;3", Ready: true}))(b)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		logons += users
		heap = float64(after.HeapAlloc-before.HeapAlloc) / users
		goroutines = float64(runtime.NumGoroutine()-g) / users
		clean(b, sap)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(logons), "us/logon")
	b.ReportMetric(heap, "B/user")
	b.ReportMetric(goroutines, "goroutines/user")
}
