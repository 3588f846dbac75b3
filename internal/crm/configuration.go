package crm

import (
	"context"
	"log/slog"
	"strconv"
	"strings"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/ici"
)

// uploader is a switch that can be asked for its configuration; *cti.Session is one.
type uploader interface {
	ConfigUpload(ctx context.Context, r *cti.ConfigRequestEvent) (*cti.ConfigData, error)
}

// nullPeripheral is all-ones: all peripherals of the session.
const nullPeripheral = 0xFFFFFFFF

// requestConfiguration asks for agents and skill groups. The records come as
// events; updates follow as long as the session lives.
func (l *Link) requestConfiguration() {
	if !l.c.cfg.RequestConfiguration {
		return
	}
	b := l.sw.Load()
	u, ok := b.Switch.(uploader)
	if !ok {
		return
	}
	mask := cti.ConfigMaskAgent | cti.ConfigMaskSkillGroup
	per := uint32(nullPeripheral)
	if len(l.pers) == 1 {
		per = l.pers[0].cfg.ID
	}
	l.c.work.Go(func() {
		_, err := u.ConfigUpload(l.c.ctx, &cti.ConfigRequestEvent{ConfigInformation: mask, ConfigMsgMask: mask, PeripheralID: per})
		if err != nil && l.c.ctx.Err() == nil {
			l.c.log.Warn("crm: configuration not read", slog.String("link", l.name), slog.String("err", err.Error()))
		}
	})
}

func (c *Connector) onConfigAgents(e *cti.ConfigAgentEvent) {
	for i := range e.Records {
		r := &e.Records[i]
		per := r.FltPeripheralID
		if c.pers[per] == nil {
			continue
		}
		if r.RecordType == cti.ConfigRecordTypeDelete {
			c.pres.forget(per, r.LoginID)
			continue
		}
		if r.OldLoginID != "" && r.OldLoginID != r.LoginID {
			c.pres.forget(per, r.OldLoginID)
		}
		c.pres.person(Person{Peripheral: per, AgentID: r.LoginID, FirstName: r.FirstName, LastName: r.LastName,
			LoginName: r.LoginName, Extension: r.Extension})
	}
}

// queueKey names a skill group.
type queueKey struct {
	peripheral uint32
	number     uint32
}

func (c *Connector) onConfigSkillGroups(e *cti.ConfigSkillGroupEvent) {
	next := map[queueKey]ici.Queue{}
	for k, q := range *c.queues.Load() {
		next[k] = q
	}
	for i := range e.Records {
		r := &e.Records[i]
		if c.pers[r.FltPeripheralID] == nil || r.FltSkillGroupPriority > 0 {
			continue // sub-groups have the name of their base group
		}
		k := queueKey{r.FltPeripheralID, r.PeripheralNumber}
		if r.RecordType == cti.ConfigRecordTypeDelete {
			delete(next, k)
			continue
		}
		if len(next) >= maxQueues {
			break
		}
		q := ici.Queue{ID: strconv.FormatUint(uint64(r.PeripheralNumber), 10), Channel: c.profile.Code(ici.ChannelTypeTelephony),
			Description: firstOf(r.PeripheralName, r.Description), Address: r.Extension}
		if old, ok := next[k]; ok && q.Address == "" {
			q.Address = old.Address
		}
		next[k] = q
	}
	c.setQueueTable(next)
}

// maxQueues bounds the skill groups that are kept.
const maxQueues = 10000

// setQueueTable replaces the skill groups; configured names and numbers win.
func (c *Connector) setQueueTable(m map[queueKey]ici.Queue) {
	for _, q := range c.cfg.Queues {
		for _, p := range c.perList {
			k := queueKey{p.cfg.ID, q.ID}
			n := m[k]
			n.ID, n.Channel = strconv.FormatUint(uint64(q.ID), 10), c.profile.Code(ici.ChannelTypeTelephony)
			n.Description = firstOf(q.Name, n.Description)
			n.Address = firstOf(q.Number, n.Address)
			m[k] = n
		}
	}
	list := make([]ici.Queue, 0, len(m))
	seen := map[string]bool{}
	for _, p := range c.perList {
		for k, q := range m {
			if k.peripheral == p.cfg.ID && !seen[q.ID] {
				seen[q.ID] = true
				list = append(list, q)
			}
		}
	}
	sortQueues(list)
	c.queues.Store(&m)
	c.queueSorted.Store(&list)
}

// queueList is what SAP may choose from; shared, never changed.
func (c *Connector) queueList() []ici.Queue { return *c.queueSorted.Load() }

func (c *Connector) queueName(per, group uint32) string {
	if q, ok := (*c.queues.Load())[queueKey{per, group}]; ok {
		return firstOf(q.Description, q.ID)
	}
	return ""
}

// queueByID finds a queue by its id, or by its name.
func (c *Connector) queueByID(id string) (ici.Queue, bool) {
	for _, q := range c.queueList() {
		if q.ID == id && id != "" {
			return q, true
		}
	}
	for _, q := range c.queueList() {
		if id != "" && strings.EqualFold(q.Description, id) {
			return q, true
		}
	}
	return ici.Queue{}, false
}

// presenceQueues answers getPresenceQueueInfo.
func (c *Connector) presenceQueues(r *ici.Request) ici.Value {
	ch := strings.TrimSpace(r.Text(ici.ParamChannel))
	if ch != "" && c.profile.CodeOf(ici.EnumChannelType, ch) != ici.ChannelTypeTelephony {
		return ici.Queues{}
	}
	return ici.Queues(c.queueList())
}
