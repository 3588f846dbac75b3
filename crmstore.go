package connects

import (
	"time"

	"github.com/connects-go/connects/ds104"
)

// storeCheckInterval is how often the connection to a data store is looked at for
// the condition; Links always says what is true now.
const storeCheckInterval = 2 * time.Second

// storeLinks describes the connections of a store that has some, and says what is
// wrong with them, or "".
func storeLinks(s ds104.Store) (links []Link, wrong string) {
	switch s := s.(type) {
	case *ds104.Client:
		st := s.Stats()
		l := Link{Name: "store", State: "up"}
		if !s.Up() {
			l.State, wrong = "down", "data store: down"
			if st.LastError != nil {
				l.Detail = st.LastError.Error()
			}
		}
		return []Link{l}, wrong
	case *ds104.Pair:
		st := s.Stats()
		for _, side := range st.Sides {
			l := Link{Name: "store", Side: side.Side.String(), State: "up", Since: side.Since.UTC(), Detail: side.Addr}
			switch {
			case side.Wrong:
				l.State, l.Detail = "wrong", side.Addr+": is not this side of a pair"
			case !side.Up:
				l.State = "down"
				if err := side.Client.LastError; err != nil {
					l.Detail += ": " + err.Error()
				}
			case !side.Level:
				l.State = "catching up"
			case side.Deciding:
				l.State = "decides"
			}
			if !side.Up || side.Wrong {
				wrong = "data store side " + side.Side.String() + ": " + l.State
			}
			links = append(links, l)
		}
		if st.Lead == ds104.Alone {
			wrong = "data store: no side decides"
		}
	}
	return links, wrong
}

// watchStore keeps the condition up to date with the store.
func (c *crmComponent) watchStore() {
	t := time.NewTicker(storeCheckInterval)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			c.refresh()
		case <-c.quit:
			return
		}
	}
}
