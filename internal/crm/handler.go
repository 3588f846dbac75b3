package crm

import (
	"context"
	"errors"
	"time"

	"github.com/connects-go/connects/ici"
)

// operation is one request of SAP while it is worked off on the strand.
type operation struct {
	c     *Connector
	r     *ici.Request
	post  []func()
	asked bool // the store was asked for the user
}

// later runs f on the strand once SAP has its answer, so that the events that f
// causes do not overtake it; at the latest before the user's next request.
func (op *operation) later(f func()) { op.post = append(op.post, f) }

func (op *operation) key() agentKey { return agentKey{op.r.System, fold(op.r.User)} }

// answered runs what waits for the answers of a user's requests, up to upTo or,
// when that is nil, all. SAP may have an answer, and have sent its next request,
// before the goroutine that wrote the answer goes on: requests reach the switch in
// the order in which they came.
func (c *Connector) answered(k agentKey, upTo *operation) {
	for len(c.answering[k]) > 0 {
		op := c.answering[k][0]
		if c.answering[k] = c.answering[k][1:]; len(c.answering[k]) == 0 {
			delete(c.answering, k)
		}
		for _, f := range op.post {
			f()
		}
		op.post = nil
		if op == upTo {
			return
		}
	}
}

// errUnknownAgent: nobody here serves the user; the store may know him.
var errUnknownAgent = errors.New("crm: user is not served here")

// maxUser is the longest user name; SAP allows 12 characters.
const maxUser = 64

// ServeICI answers one request of SAP; see [ici.Handler]. It does not wait for
// the switch, with one exception: the log on does, because its refusal has to
// reach the agent as the answer.
func (c *Connector) ServeICI(ctx context.Context, r *ici.Request) (ici.Value, error) {
	c.stats.served.Add(1)
	c.stats.lastRequest.Store(time.Now().UnixNano())
	v, err := c.serve(ctx, r)
	if err != nil {
		c.stats.faults.Add(1)
		var f *ici.Fault
		if !errors.As(err, &f) && (errors.Is(err, ErrStopped) || errors.Is(err, context.Canceled)) {
			err = c.fault(r, ici.FaultTimeout, err)
		}
	}
	return v, err
}

func (c *Connector) serve(ctx context.Context, r *ici.Request) (ici.Value, error) {
	switch r.Op {
	case ici.OpSystemExchangeProductInformation:
		return c.productInformation(r), nil
	case ici.OpSystemGetWorkcenterCapability:
		return &ici.WorkcenterCapability{FreeSeating: true, Description: c.workcenterForm(r)}, nil
	case ici.OpSystemGetPresenceQueueInfo:
		return c.presenceQueues(r), nil
	case ici.OpUserGetPresence:
		return c.getPresence(r)
	}
	if _, ok := c.systems[r.System]; !ok {
		return nil, c.fault(r, ici.FaultGeneric, errors.New("crm: SAP system is not configured"))
	}
	switch c.profile.OpService(r.Op) {
	case ici.ServiceUser, ici.ServiceItem, ici.ServicePhoneCall:
	default:
		return c.otherMedia(r)
	}
	if len(r.User) > maxUser || len(r.HeaderUser) > maxUser {
		return nil, c.fault(r, ici.FaultUserUnknown, nil)
	}
	if r.Op == ici.OpUserSetCurrentWorkcenter {
		return c.logOn(ctx, r)
	}
	v, err := c.onStrand(ctx, r, false)
	if errors.Is(err, errUnknownAgent) {
		// Another connector may have left him to us.
		if c.adopt(ctx, agentKey{r.System, fold(r.User)}) || r.Op == ici.OpUserSubscribe {
			v, err = c.onStrand(ctx, r, true)
		}
		if errors.Is(err, errUnknownAgent) {
			if r.Op == ici.OpUserGetAttributes {
				return c.unknownUser(r), nil
			}
			return nil, c.fault(r, ici.FaultNotLoggedOn, nil)
		}
	}
	return v, err
}

func (c *Connector) onStrand(ctx context.Context, r *ici.Request, asked bool) (ici.Value, error) {
	op := &operation{c: c, r: r, asked: asked}
	var v ici.Value
	var err error
	ran := false
	if e := c.st.do(ctx, func() {
		if ctx.Err() != nil || c.stopping {
			err = ErrStopped
			return
		}
		c.answered(op.key(), nil)
		v, err = c.dispatch(op)
		ran = true
		if len(op.post) > 0 {
			c.answering[op.key()] = append(c.answering[op.key()], op)
		}
	}); e != nil {
		return nil, e
	}
	if !ran && err == nil {
		err = c.fault(r, ici.FaultGeneric, nil) // a defect was met on the way
	}
	r.After(func() {
		c.apply(func() {
			if len(op.post) > 0 {
				c.answered(op.key(), op)
			}
		})
	})
	return v, err
}

func (c *Connector) dispatch(op *operation) (ici.Value, error) {
	switch c.profile.OpService(op.r.Op) {
	case ici.ServicePhoneCall:
		return c.phoneCallOp(op)
	case ici.ServiceItem:
		return c.itemOp(op)
	}
	return c.userOp(op)
}

// requireAgent returns the agent of a request.
func (c *Connector) requireAgent(r *ici.Request) (*agent, error) {
	if r.User == "" {
		return nil, c.fault(r, ici.FaultUserUnknown, nil)
	}
	a := c.agents[agentKey{r.System, fold(r.User)}]
	if a == nil {
		return nil, errUnknownAgent
	}
	if r.Language != "" && r.Language != a.rec.Lang && (r.HeaderUser == "" || fold(r.HeaderUser) == a.key.user) {
		a.rec.Lang = r.Language // nothing is told for it: the next event has it
	}
	return a, nil
}

// otherMedia answers the services that come with other media: what reads is
// empty, what acts is refused.
func (c *Connector) otherMedia(r *ici.Request) (ici.Value, error) {
	switch r.Op {
	case ici.OpUnknown:
		return ici.Text(""), nil
	case ici.OpFolderGetMessages:
		return ici.Messages{}, nil
	case ici.OpFolderGetFolders:
		return ici.Folders{}, nil
	case ici.OpChatGetPostings:
		return ici.ChatPostings{}, nil
	case ici.OpChatLineGetAttributes:
		return ici.ChatSessions{}, nil
	case ici.OpMonitorUnsubscribe, ici.OpMonitorGetStructure, ici.OpMonitorGetData:
		return ici.Text(""), nil
	}
	return nil, c.fault(r, ici.FaultNotSupported, nil)
}

func (c *Connector) productInformation(r *ici.Request) ici.Value {
	// The lower of the two interface versions is the common one; ours is 3.06,
	// the newest of which something is public (ICI reference, section 3).
	version := "3.06"
	if e := r.Element(ici.ParamApplicationProduct); e.Exists() {
		var theirs ici.ProductInformation
		theirs.DecodeICI(e)
		if theirs.ICIVersion != "" && lowerVersion(theirs.ICIVersion, version) {
			version = theirs.ICIVersion
		}
	}
	return &ici.ProductInformation{Vendor: c.cfg.Vendor, Product: c.cfg.Product, Version: c.cfg.Version, ICIVersion: version}
}

// lowerVersion compares versions like 3.06 by their numbers.
func lowerVersion(a, b string) bool {
	for a != "" || b != "" {
		var x, y int
		x, a = versionPart(a)
		y, b = versionPart(b)
		if x != y {
			return x < y
		}
	}
	return false
}

func versionPart(s string) (int, string) {
	n, i := 0, 0
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		if n < 1e6 {
			n = n*10 + int(s[i]-'0')
		}
	}
	if i < len(s) {
		return n, s[i+1:]
	}
	return n, ""
}
