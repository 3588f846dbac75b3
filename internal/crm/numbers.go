package crm

import (
	"strings"

	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/internal/crm/dialing"
)

// numbers applies the site's dialling rules.
type numbers struct{ plan *dialing.Plan }

func newNumbers(cfg *DialingConfig) (*numbers, error) {
	r := &dialing.Rules{
		InternalMaxLength: cfg.InternalLength, InternalPrefix: cfg.InternalPrefix,
		International: cfg.International, OutsideLine: cfg.Outside, DialPlus: cfg.DialPlus, Anonymous: cfg.Anonymous,
	}
	if cfg.National != "" {
		r.National = []string{cfg.National}
	}
	p, err := dialing.New(r)
	if err != nil {
		return nil, err
	}
	return &numbers{p}, nil
}

// toSAP turns a number of the switch into what SAP shows; empty stays empty.
func (n *numbers) toSAP(s string) string {
	if s == "" {
		return ""
	}
	return n.plan.ToSAP(s)
}

// dialed turns a number that was dialled at the switch into what SAP shows.
func (n *numbers) dialed(s string) string {
	if s == "" {
		return ""
	}
	return n.plan.DialedToSAP(s)
}

// anonymous is what SAP sees of a caller without a number.
func (n *numbers) anonymous() string { return n.plan.Anonymous() }

// internal tells whether a number belongs to the switch.
func (n *numbers) internal(s string) bool {
	if s == "" {
		return false
	}
	_, ok := n.plan.Internal(s)
	return ok
}

// internalSAP is internal for a number in SAP's form.
func (n *numbers) internalSAP(s string) bool { return n.internal(s) }

// number tells whether a device id looks like a telephone number.
func (n *numbers) number(s string) bool {
	s = strings.TrimPrefix(s, "+")
	if len(s) < 2 || len(s) > 20 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// checkDTMF checks the digits of sendDtmf.
func checkDTMF(s string) error { return dialing.CheckDTMF(s) }

// destination turns the destination of a request into what the switch dials: a
// queue's or an agent's number by its id, else a telephone number.
func (c *Connector) destination(r *ici.Request) (string, error) {
	d := strings.TrimSpace(r.Text(ici.ParamDestination))
	if q, ok := c.queueByID(d); ok && q.Address != "" {
		d = q.Address
	} else if a := c.agents[agentKey{r.System, fold(d)}]; a != nil && a.rec.LoggedOn && !c.dial.number(d) {
		d = a.number()
		return d, nil
	}
	n, err := c.dial.plan.ToSwitch(d)
	if err != nil {
		return "", c.faultText(r, ici.FaultDestinationInvalid, "invalidNumber", err)
	}
	return n, nil
}
