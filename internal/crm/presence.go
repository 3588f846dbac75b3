package crm

import (
	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/ici"
)

type presenceIndex struct{ c *Connector }

func newPresence(c *Connector) *presenceIndex { return &presenceIndex{c} }

func (p *presenceIndex) state(per uint32, id, ext string, s cti.AgentState) {}
func (p *presenceIndex) owner(per uint32, id, user string)                  {}
func (p *presenceIndex) person(Person)                                      {}
func (p *presenceIndex) forget(per uint32, id string)                       {}
func (p *presenceIndex) name(per uint32, id string) string                  { return "" }
func (p *presenceIndex) byLoginName(name string) string                     { return "" }
func (p *presenceIndex) relabel()                                           {}
func (c *Connector) presence(a *agent)                                      {}
func (c *Connector) getPresence(r *ici.Request) (ici.Value, error) {
	return ici.PresenceInfoList{}, nil
}
