package ds104

// BreakDisk makes the next write of a Log to its disk fail.
func BreakDisk(l *Log) {
	l.j.mu.Lock()
	defer l.j.mu.Unlock()
	_ = l.j.cur.f.Close()
}
