package ds104

import (
	"container/heap"
	"time"
)

// expiryHeap orders the items that expire, the next one first.
type expiryHeap []*item

func (h expiryHeap) Len() int           { return len(h) }
func (h expiryHeap) Less(i, j int) bool { return h[i].expires.Before(h[j].expires) }
func (h expiryHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heap, h[j].heap = i, j
}

// Push and Pop are for container/heap; use set.
func (h *expiryHeap) Push(x any) {
	it := x.(*item)
	it.heap = len(*h)
	*h = append(*h, it)
}

func (h *expiryHeap) Pop() any {
	old := *h
	it := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	it.heap = -1
	return it
}

// set puts the item where its expires says, which may be nowhere.
func (h *expiryHeap) set(it *item) {
	switch {
	case it.expires.IsZero() && it.heap >= 0:
		heap.Remove(h, it.heap)
	case it.expires.IsZero():
	case it.heap >= 0:
		heap.Fix(h, it.heap)
	default:
		heap.Push(h, it)
	}
}

// expire removes what is due. Every operation does so first, so that nobody sees
// an entry after its time however late the timer is. Caller holds mu.
func (m *Memory) expire() {
	if len(m.due) == 0 || m.loading {
		return
	}
	now := time.Now()
	if m.due[0].expires.After(now) {
		return
	}
	for len(m.due) > 0 && !m.due[0].expires.After(now) {
		m.rev = m.opts.Side.next(m.rev)
		m.remove(m.due[0], m.rev)
		m.stats.Expired++
	}
	if m.journal != nil { // nobody waits for this flush, but watchers do
		m.journal.flush()
	}
	m.setAlarm()
}

// setAlarm makes the timer fire at the next expiry. Caller holds mu.
func (m *Memory) setAlarm() {
	if len(m.due) == 0 {
		if m.timer != nil {
			m.timer.Stop()
			m.timer, m.alarm = nil, time.Time{}
		}
		return
	}
	next := m.due[0].expires
	if next.Equal(m.alarm) {
		return
	}
	m.alarm = next
	wait := max(time.Until(next), 0)
	if m.timer == nil {
		m.timer = time.AfterFunc(wait, m.ring)
	} else {
		m.timer.Reset(wait)
	}
}

// ring is called by the timer.
func (m *Memory) ring() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	m.alarm = time.Time{} // it has fired: set it again whatever comes
	m.expire()
	m.setAlarm()
}
