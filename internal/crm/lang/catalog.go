package lang

import (
	"strconv"
	"strings"
)

// Reason is one not-ready reason: a work mode above 999.
type Reason struct {
	// Mode is the work mode's number towards SAP, for example 1001.
	Mode int
	// Text is what the agent sees.
	Text string
}

// Catalog holds all texts of one language. It never changes.
type Catalog struct {
	code    string
	texts   [sections]map[string]string
	reasons []Reason
}

// Code returns the language, two capitals. It is EN for an unknown language.
func (c *Catalog) Code() string { return c.code }

// Text returns a text by its number or name, for example Text(CallStatus, "1").
// What nobody knows is returned as it is, so that an agent sees something. It
// takes no lock and allocates nothing.
func (c *Catalog) Text(s Section, id string) string {
	if s < sections {
		if t, ok := c.texts[s][id]; ok {
			return t
		}
	}
	return id
}

// Has reports whether the text is known in this language or in English.
func (c *Catalog) Has(s Section, id string) bool {
	if s >= sections {
		return false
	}
	_, ok := c.texts[s][id]
	return ok
}

// Mode returns the text of a work mode, fixed or a not-ready reason.
func (c *Catalog) Mode(mode int) string {
	id := strconv.Itoa(mode)
	if mode >= LowestReason {
		return c.Text(WorkModeSupplementary, id)
	}
	return c.Text(WorkMode, id)
}

// Reasons returns the not-ready reasons in the order of the language file; those
// that only the English file has follow. The slice is shared: do not change it.
func (c *Catalog) Reasons() []Reason { return c.reasons }

// makeCatalog lays a language over English and that over the built-in texts.
// english and own may be nil.
func makeCatalog(code string, english, own *File) *Catalog {
	c := &Catalog{code: code}
	for i := range c.texts {
		c.texts[i] = map[string]string{}
	}
	c.lay(builtin())
	c.lay(english)
	if own != english {
		c.lay(own)
	}
	listed := map[string]bool{}
	for _, f := range []*File{own, english} {
		if f == nil {
			continue
		}
		for _, e := range f.Entries {
			if e.Section == WorkModeSupplementary && !listed[e.ID] {
				listed[e.ID] = true
				mode, _ := strconv.Atoi(e.ID) // checked by the parser
				c.reasons = append(c.reasons, Reason{Mode: mode, Text: c.texts[e.Section][e.ID]})
			}
		}
	}
	return c
}

func (c *Catalog) lay(f *File) {
	if f == nil {
		return
	}
	for _, e := range f.Entries {
		id := e.ID
		if known, ok := canonical()[e.Section][strings.ToLower(id)]; ok {
			id = known
		}
		c.texts[e.Section][id] = e.Text
	}
}
