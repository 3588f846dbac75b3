package ctitest_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/cti/ctitest"
)

// A whole call of a customer among 1,000 agents, without clients.
func BenchmarkCall(b *testing.B) {
	pg := ctitest.New(ctitest.DefaultConfig(1000))
	defer pg.Close()
	for i := range 1000 {
		id := fmt.Sprint(1001 + i)
		if err := pg.LoginAgent(id, ""); err != nil {
			b.Fatal(err)
		}
		pg.SetAgentState(id, cti.AgentStateAvailable, 0)
	}
	b.ReportAllocs()
	for b.Loop() {
		id, err := pg.CustomerCall(b.Context(), ctitest.CallSpec{From: customer, To: "5001"})
		if err != nil {
			b.Fatal(err)
		}
		c, _ := pg.Call(id)
		pg.PhoneAnswer(c.Parties[1].Device, id)
		pg.CustomerHangUp(id)
	}
}

// What an agent who is logged in costs.
func BenchmarkMemoryPerAgent(b *testing.B) {
	const n = 1000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		pg := ctitest.New(ctitest.DefaultConfig(n))
		for i := range n {
			pg.LoginAgent(fmt.Sprint(1001+i), "")
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/agent")
		pg.Close()
	}
}
