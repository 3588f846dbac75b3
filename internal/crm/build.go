package crm

import (
	"errors"
	"slices"
	"strings"

	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/internal/crm/attached"
)

// build makes the parts of a connector from its configuration and reports
// everything that is wrong with it.
func (c *Connector) build() error {
	var errs []error
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	if c.profile = c.cfg.Profile; c.profile == nil {
		c.profile = ici.Default()
	}
	var err error
	c.texts, err = newTexts(c.cfg.LanguageFiles, c.cfg.Languages, c.profile)
	note(err)
	c.dial, err = newNumbers(&c.cfg.Dialing)
	note(err)
	c.layout, err = attached.NewLayout(&attached.Config{ECC: c.cfg.Attached.ECC})
	note(err)
	rules := make([]attached.Rule, len(c.cfg.Attached.Rules))
	for i, r := range c.cfg.Attached.Rules {
		rules[i] = attached.Rule{Application: r.Application, Element: r.Element, Target: r.Target}
	}
	c.mapping, err = attached.NewMapping(rules, c.cfg.Attached.Charset)
	note(err)
	c.pres = newPresence(c)
	for _, p := range c.cfg.People {
		c.pres.person(p)
	}
	c.logons, err = c.newParsers()
	note(err)
	c.store = c.newStore()
	c.setQueueTable(map[queueKey]ici.Queue{})
	return errors.Join(errs...)
}

// ReloadLanguages reads the language files again. Texts change with the next
// event of each agent.
func (c *Connector) ReloadLanguages() error {
	err := c.texts.all.Reload()
	c.pres.relabel()
	return err
}

// FaultText gives the text of a fault in a language; it fits
// ici.ServerOptions.FaultText.
func (c *Connector) FaultText(language string, code ici.FaultCode) string {
	return c.texts.cat(language).Text(faultSection, c.profile.FaultName(code))
}

func sortQueues(list []ici.Queue) {
	slices.SortFunc(list, func(a, b ici.Queue) int {
		if n := strings.Compare(strings.ToLower(a.Description), strings.ToLower(b.Description)); n != 0 {
			return n
		}
		return strings.Compare(a.ID, b.ID)
	})
}
