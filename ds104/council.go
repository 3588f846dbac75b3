package ds104

import (
	"sync"
	"time"
)

// council knows whether this side of a pair decides: the connectors that it knows
// elect the side, term by term. See Pair for the rule.
type council struct {
	side     Side
	mu       sync.Mutex
	term     uint64
	deciding bool
	voters   map[string]*voter
	memory   time.Duration
	tieAfter time.Duration
	electing bool      // one election at a time
	unfit    time.Time // until then it does not decide: its store has failed
}

// unfitFor is how long a side whose store has failed refuses to decide.
const unfitFor = 2 * time.Second

// voter is a connector.
type voter struct {
	name     string
	instance string // empty: not known
	conns    int
	vote     uint64 // highest term that it wants this side to decide in
	seen     time.Time
	gone     bool // it has said that it does not come back
}

// CouncilStats say how a side stands in its pair.
type CouncilStats struct {
	Term      uint64 // highest that the side knows; while it decides, its own
	Deciding  bool   // the side decides conditional writes
	Voters    int    // connectors that the side knows
	Connected int    // of them
}

func newCouncil(side Side, term uint64, memory, tieAfter time.Duration) *council {
	return &council{side: side, term: term, memory: memory, tieAfter: tieAfter, voters: map[string]*voter{}}
}

// join counts a connection of a voter, who knows a term. It returns nil while another
// voter of that name is connected: the two would be counted as one.
func (c *council) join(name string, instance []byte, term uint64) *voter {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.learn(term)
	v := c.voters[name]
	if v == nil {
		v = &voter{name: name}
		c.voters[name] = v
	}
	if is := string(instance); v.instance != is {
		if v.conns > 0 && is != "" && v.instance != "" {
			return nil
		}
		v.instance = is
	}
	v.conns++
	v.seen, v.gone = time.Now(), false
	return v
}

// sideOf returns the side that can decide in a term.
func sideOf(term uint64) Side {
	if term%2 == 1 {
		return SideA
	}
	return SideB
}

// termFor returns the next term after one in which a side can decide.
func termFor(side Side, after uint64) uint64 {
	if sideOf(after+1) == side {
		return after + 1
	}
	return after + 2
}

// learn takes over a higher term: another side decides in it. Caller holds mu.
func (c *council) learn(term uint64) {
	if term > c.term && term <= maxTerm {
		c.term, c.deciding = term, false
	}
}

// resign ends what this side decides, because its store has failed: the disk is full, say.
// The voters turn to the other side.
func (c *council) resign() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deciding = false
	c.unfit = time.Now().Add(unfitFor)
}

// hear takes over a term that is in use.
func (c *council) hear(term uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.learn(term)
}

// farewell notes that a voter does not come back, unless it does. nil is none.
func (c *council) farewell(v *voter) {
	if v == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	v.gone = true
}

// leave ends a connection of a voter; the last one of a voter that does not come back
// takes it off. nil is none.
func (c *council) leave(v *voter) {
	if v == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	v.conns--
	v.seen = time.Now()
	if v.conns == 0 && v.gone {
		delete(c.voters, v.name)
	}
}

// forget removes a voter that will not come back; for the operator.
func (c *council) forget(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := c.voters[name]
	if v == nil || v.conns > 0 {
		return false
	}
	delete(c.voters, name)
	return true
}

// count returns the known and the connected voters. Absent ones are forgotten after
// a while as long as most are there. Caller holds mu.
func (c *council) count() (known, connected int) {
	for _, v := range c.voters {
		if v.conns > 0 {
			connected++
		}
	}
	if 2*connected > len(c.voters) {
		for name, v := range c.voters {
			if v.conns == 0 && time.Since(v.seen) > c.memory {
				delete(c.voters, name)
			}
		}
	}
	return len(c.voters), connected
}

// decides reports whether this side may decide in a term, and the term it knows.
func (c *council) decides(term uint64) (bool, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.learn(term)
	return c.deciding && c.term == term && c.quorum(), c.term
}

// quorum reports whether at least half of the voters are connected. Caller holds mu.
func (c *council) quorum() bool {
	known, connected := c.count()
	return 2*connected >= known
}

func (c *council) stats() CouncilStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, connected := c.count()
	return CouncilStats{Term: c.term, Deciding: c.deciding && 2*connected >= known, Voters: known, Connected: connected}
}

// vote counts a vote for this side to decide in a term. When it makes a majority,
// won is called without the lock before the side begins to decide.
func (c *council) vote(v *voter, term uint64, won func() error) (votes int, s CouncilStats, err error) {
	c.mu.Lock()
	if term == 0 || term > maxTerm || sideOf(term) != c.side {
		c.mu.Unlock()
		return 0, c.stats(), ErrInvalid
	}
	if time.Now().Before(c.unfit) {
		c.mu.Unlock()
		return 0, c.stats(), ErrUndecided
	}
	v.vote = max(v.vote, term)
	for _, x := range c.voters {
		if x.vote >= term {
			votes++
		}
	}
	known, _ := c.count()
	wins := 2*votes > known || 2*votes == known && c.tieAfter > 0 && c.absentFor(c.tieAfter)
	if term <= c.term || !wins || c.electing {
		c.mu.Unlock()
		return votes, c.stats(), nil
	}
	c.electing = true
	c.mu.Unlock()
	err = won()
	c.mu.Lock()
	c.electing = false
	if err == nil && term > c.term {
		c.term, c.deciding = term, true
	}
	c.mu.Unlock()
	return votes, c.stats(), err
}

// absentFor reports whether all voters that are not connected have been away for so
// long. Caller holds mu.
func (c *council) absentFor(d time.Duration) bool {
	for _, v := range c.voters {
		if v.conns == 0 && time.Since(v.seen) < d {
			return false
		}
	}
	return true
}
