package spool

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	stderrors "errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/pkg/errors"
)

// The API deletes a whole campaign or nothing, so whoever deletes a row there takes
// the rows of all instances with it. Instances that share a ledger count these wipes
// for each campaign. Rows may be sent side by side, a wipe is alone; every list
// remembers after which wipe it was sent, and an instance whose lists were sent before
// the last one sends what is still wanted of them again. A wipe whose end nobody knows
// is done again by whoever needs the campaign first.

const (
	// sendMax bounds one request to the API, and sendLife is when others no longer
	// wait for who began one: longer by more than clocks differ.
	sendMax  = 3 * time.Minute
	sendLife = sendMax + 2*lateAsk
	// apiLife is how long a campaign is remembered without a request.
	apiLife = 366 * 24 * time.Hour
	// wipeLook is how often is looked whether others wiped a campaign.
	wipeLook = 5 * time.Second
)

var (
	// errTurn: another instance is at the campaign. That is no fault.
	errTurn = stderrors.New("spool: another instance sends to the campaign")
	// errRestart: what was sent of the list is gone, it begins anew.
	errRestart = stderrors.New("spool: the campaign was wiped meanwhile")
)

// apiCampaign is what instances know of a campaign of the API.
type apiCampaign struct {
	Wipes   int                  `json:"wipes,omitempty"`   // number of the last wipe that was done
	Next    int                  `json:"next,omitempty"`    // number of the last wipe that was begun
	Members []string             `json:"members,omitempty"` // instances that have rows in it
	Senders map[string]time.Time `json:"senders,omitempty"` // instances that are sending, and when that lapses
	Wiper   string               `json:"wiper,omitempty"`   // who is wiping
	Until   time.Time            `json:"until,omitzero"`    // when that lapses
}

// unsure reports whether nobody knows the end of a wipe.
func (c *apiCampaign) unsure(now time.Time) bool { return c.Wiper != "" && !c.Until.After(now) }

func apiKey(id string) string {
	h := sha256.Sum256([]byte(id))
	return "outbound/api/" + hex.EncodeToString(h[:])
}

// coordinated reports whether requests to the API are agreed with other instances.
func (q *Queue) coordinated() bool {
	return q.o.API != nil && q.o.Profile.Delete == "api" && q.o.Ledger != nil
}

// apiState reads what the ledger has of a campaign.
func (q *Queue) apiState(ctx context.Context, id string) (c apiCampaign, err error) {
	v, _, err := q.o.Ledger.Get(ctx, apiKey(id))
	if err != nil {
		return c, errors.WithMessage(ErrBusy, err.Error())
	}
	return c, q.readAPI(id, v, &c)
}

// readAPI reads an entry of the ledger. A ledger that lost what it had is corrected: of
// several instances the one that saw the most wipes knows best.
func (q *Queue) readAPI(id string, v []byte, c *apiCampaign) error {
	*c = apiCampaign{}
	if len(v) > 0 {
		if err := json.Unmarshal(v, c); err != nil {
			return errors.Wrap(err, "spool: campaign of the API")
		}
	}
	for _, l := range q.snapshot() {
		if q.campaign(l) == id {
			c.Wipes = max(c.Wipes, l.Wipes)
		}
	}
	c.Next = max(c.Next, c.Wipes)
	return nil
}

func (q *Queue) changeAPI(ctx context.Context, id string, edit func(*apiCampaign) error) error {
	return q.change(ctx, apiKey(id), apiLife, func(v []byte) ([]byte, error) {
		var c apiCampaign
		if err := q.readAPI(id, v, &c); err != nil {
			return nil, err
		}
		if err := edit(&c); err != nil {
			return nil, err
		}
		return json.Marshal(&c)
	})
}

// turn is the right to send one request.
type turn struct {
	wipe  bool // the request replaces what the campaign has
	done  bool // the wipe of the list was done before a crash
	wipes int  // number of the wipe, or of the last one
}

// take enters a campaign for one request of a list. Who took a turn gives it back.
func (q *Queue) take(ctx context.Context, l *List) (t turn, err error) {
	first := l.Rewrite && l.Sent == 0
	if !q.coordinated() {
		return turn{wipe: first}, nil
	}
	id, me := q.campaign(l), q.o.Instance
	wait := false
	err = q.changeAPI(ctx, id, func(c *apiCampaign) error {
		now := q.o.Now()
		wait, t = false, turn{wipes: c.Wipes, done: first && l.Wiping > 0 && l.Wiping == c.Wipes}
		if c.Wiper != "" && c.Wiper != me && !c.unsure(now) {
			return errTurn
		}
		t.wipe = first && !t.done && (c.Wiper != "" || !q.wiped(id, c.Wipes))
		if c.Wiper != "" && !t.wipe && !t.done {
			return errRestart // after the wipe that has to be done again
		}
		if !slices.Contains(c.Members, me) {
			c.Members = append(c.Members, me)
		}
		if !t.wipe {
			if c.Senders == nil {
				c.Senders = map[string]time.Time{}
			}
			c.Senders[me] = now.Add(sendLife)
			return nil
		}
		for name, until := range c.Senders {
			wait = wait || name != me && until.After(now)
		}
		c.Next++
		c.Wiper, c.Until, t.wipes = me, now.Add(sendLife), c.Next
		return nil
	})
	if err == nil && wait {
		err = errTurn // none begins any more, and the next look finds those gone that had
	}
	return t, err
}

// giveBack ends a turn. A wipe is done, or did not happen; one of which that is not
// known is not given back.
func (q *Queue) giveBack(ctx context.Context, l *List, t turn, done, left bool) error {
	if !q.coordinated() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), firstMail)
	defer cancel()
	return q.changeAPI(ctx, q.campaign(l), func(c *apiCampaign) error {
		delete(c.Senders, q.o.Instance)
		if !t.wipe {
			return nil
		}
		if c.Wiper != q.o.Instance || c.Next != t.wipes {
			return errRestart // it took so long that another one wiped
		}
		c.Wiper, c.Until = "", time.Time{}
		if done {
			c.Wipes = t.wipes
		}
		if !left {
			c.Members = slices.DeleteFunc(c.Members, func(name string) bool { return name == q.o.Instance })
		}
		return nil
	})
}

// wiped reports whether nothing is in a campaign any more of what was sent from here.
func (q *Queue) wiped(id string, wipes int) bool {
	return !slices.ContainsFunc(q.snapshot(), func(l *List) bool {
		return l.State == Taken && !l.Rewrite && q.campaign(l) == id && l.Wipes >= wipes
	})
}

// ready reports whether a waiting list may begin: errTurn when it waits for a wipe that
// is queued now, ErrSilent or ErrState when a wipe would take rows away that nobody
// sends again.
func (q *Queue) ready(ctx context.Context, l *List) error {
	if !q.coordinated() {
		return nil
	}
	id := q.campaign(l)
	c, err := q.apiState(ctx, id)
	if err != nil {
		return err
	}
	unsure := c.unsure(q.o.Now())
	if !l.Rewrite {
		if c.Wiper != "" && (unsure || c.Wiper == q.o.Instance) {
			return stderrors.Join(errTurn, q.rewrite(l.Source.Campaign))
		}
		return nil
	}
	if c.Wiper == "" && q.wiped(id, c.Wipes) {
		return nil // it takes nothing away
	}
	gone, err := q.forgotten(ctx)
	if err != nil {
		return err
	}
	for _, name := range c.Members {
		if name == q.o.Instance || gone[name] || name == c.Wiper { // that one's rows are wiped already, or would have been
			continue
		}
		policy, err := q.heardOf(ctx, name)
		switch {
		case err != nil:
			return err
		case policy == "":
			return errors.WithMessage(ErrSilent, fmt.Sprintf("a deletion in campaign %s would take the rows of instance %s away, which does not answer", id, name))
		case policy != "api":
			return errors.WithMessage(ErrState, fmt.Sprintf("a deletion in campaign %s would take the rows of instance %s away, which has the delete policy %s", id, name, policy))
		}
	}
	return nil
}

// behind returns a campaign of SAP for each campaign of the API whose rows from here
// have to be sent again, or of which nobody knows what it has.
func (q *Queue) behind(ctx context.Context) (all []string, err error) {
	if !q.coordinated() {
		return nil, nil
	}
	lists := q.snapshot()
	looked := map[string]bool{}
	for _, l := range lists {
		id := q.campaign(l)
		if l.State != Taken || l.Rewrite || l.Wiped || looked[id] {
			continue
		}
		looked[id] = true
		c, err := q.apiState(ctx, id)
		if err != nil {
			return nil, err
		}
		late := c.unsure(q.o.Now())
		for _, o := range lists {
			if q.campaign(o) != id {
				continue
			}
			if o.Rewrite && (!o.State.Final() || o.State == Failed && o.Wipes == c.Wipes) {
				late = false // it is done, or was refused and is for an operator
				break
			}
			late = late || o.State == Taken && !o.Rewrite && !o.Wiped && o.Wipes < c.Wipes
		}
		if late {
			all = append(all, l.Source.Campaign)
		}
	}
	return all, nil
}

// resend queues what others wiped. The ledger may be away: then the next look does it.
func (q *Queue) resend(ctx context.Context) error {
	now := q.o.Now()
	if now.Sub(q.looked) < wipeLook {
		return nil
	}
	q.looked = now
	all, err := q.behind(ctx)
	if err != nil {
		return nil
	}
	for _, campaign := range all {
		if err := q.rewrite(campaign); err != nil {
			return err
		}
		q.o.Logger.Info("another instance deleted in the campaign, its rows are sent again", slog.String("campaign", campaign))
	}
	return nil
}

// resent returns the lists whose rows a rewrite has sent, as of that wipe.
func (q *Queue) resent(n *List) []*List {
	if !n.Rewrite || !q.coordinated() {
		return nil
	}
	var all []*List
	for _, l := range q.sources(n) {
		if l.ID != n.ID {
			c := *l
			c.Wipes = n.Wipes
			all = append(all, &c)
		}
	}
	return all
}
