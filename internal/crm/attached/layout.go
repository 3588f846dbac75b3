package attached

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// DefaultApplication is the part that SAP's Interaction Center reads.
const DefaultApplication = "SAP-IC"

// Names inside our part (operations reference, section 5).
const (
	midName   = "MID"
	eccName   = "ECC"
	indexName = "index"
	eccPrefix = "ECC."
	arrPrefix = "ECCA."
	// maxECCName is the longest name of an expanded variable in bytes.
	maxECCName = 32
)

// Config sets up a [Layout].
type Config struct {
	// Application is the id of our part; default SAP-IC.
	Application string
	// ECC are the expanded variables that SAP gets: ECC.<name> and, for arrays,
	// ECCA.<name>, in this order.
	ECC []string
}

// Layout writes the document of an item.
type Layout struct {
	id      string
	open    string // prolog, root and our start tag up to the id
	calls   [CallVariables][2]string
	columns []column
}

// column is one configured expanded variable.
type column struct {
	name       string
	array      bool
	start, end string // tags; start of an array ends before the index
	none       string // the empty element
}

// NewLayout checks the configuration; nil is the zero Config. The error reports
// everything that is wrong.
func NewLayout(cfg *Config) (*Layout, error) {
	if cfg == nil {
		cfg = &Config{}
	}
	l := &Layout{id: cfg.Application}
	if l.id == "" {
		l.id = DefaultApplication
	}
	var errs []error
	if !utf8.ValidString(l.id) {
		errs = append(errs, fmt.Errorf("attached: Application=%q is not UTF-8", l.id))
	}
	l.open = "<" + applicationName + " " + idName + `="` + string(appendText(nil, l.id)) + `">`
	for i := range l.calls {
		n := callVariableName(i + 1)
		l.calls[i] = [2]string{"<" + n + ">", "</" + n + ">"}
	}
	seen := map[string]bool{}
	for _, configured := range cfg.ECC {
		t, err := parseECC(configured)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("ECC: %w", err))
			continue
		case t.Kind == ECCElement && t.Index >= 0:
			errs = append(errs, fmt.Errorf("attached: ECC %q names one element; the whole array is sent", configured))
			continue
		case seen[t.Name]:
			errs = append(errs, fmt.Errorf("attached: ECC %q is named twice", configured))
		}
		seen[t.Name] = true
		name := EscapeName(t.Name)
		c := column{name: t.Name, array: t.Kind == ECCElement, end: "</" + name + ">", none: "<" + name + "/>"}
		c.start = "<" + name + ">"
		if c.array {
			c.start = "<" + name + " " + indexName + `="`
		}
		l.columns = append(l.columns, c)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return l, nil
}

// Append appends the whole document of an item: our part with the variables and
// with what SAP wrote into it, then the parts of other owners. d may be nil. It
// allocates nothing beyond dst.
func (l *Layout) Append(dst []byte, v *Variables, d *Document) []byte {
	dst = append(dst, prolog+"<"+rootName+">"...)
	own := d.application(l.id)
	if own == nil {
		dst = append(dst, l.open...)
		dst = l.appendVariables(dst, v)
		dst = append(dst, "</"+applicationName+">"...)
	} else {
		dst = l.appendOwn(dst, v, own)
	}
	if d != nil {
		for i := range d.parts {
			if part := &d.parts[i]; part != own {
				dst = append(dst, part.XML...)
			}
		}
	}
	return append(dst, "</"+rootName+">"...)
}

// appendOwn writes our part around what SAP put there.
func (l *Layout) appendOwn(dst []byte, v *Variables, own *Part) []byte {
	head := own.XML[:own.open]
	if own.empty {
		dst = append(dst, strings.TrimRight(head, "/>")...)
		dst = append(dst, '>')
		dst = l.appendVariables(dst, v)
		dst = append(dst, "</"...)
		dst = append(dst, head[1:1+strings.IndexAny(head[1:], " \t\r\n/>")]...)
		return append(dst, '>')
	}
	dst = append(dst, head...)
	dst = l.appendVariables(dst, v)
	at := own.open
	for i := range own.children {
		if c := &own.children[i]; ours(c.name) {
			dst = append(dst, own.XML[at:c.start]...)
			at = c.end
		}
	}
	return append(dst, own.XML[at:]...)
}

// ours reports the elements that we write: CV01 to CV10, MID and ECC.
func ours(name string) bool {
	if len(name) == 4 && name[:2] == "CV" {
		return name[2] == '0' && name[3] >= '1' && name[3] <= '9' || name[2:] == "10"
	}
	return name == midName || name == eccName
}

func (l *Layout) appendVariables(dst []byte, v *Variables) []byte {
	for i := range l.calls {
		dst = append(dst, l.calls[i][0]...)
		dst = appendText(dst, v.Call[i])
		dst = append(dst, l.calls[i][1]...)
	}
	dst = append(dst, "<"+midName+">"...)
	dst = appendText(dst, v.MID)
	dst = append(dst, "</"+midName+"><"+eccName+">"...)
	for i := range l.columns {
		dst = l.columns[i].append(dst, v.ECC)
	}
	return append(dst, "</"+eccName+">"...)
}

func (c *column) append(dst []byte, ecc []ECC) []byte {
	found := false
	for i := range ecc {
		e := &ecc[i]
		if (e.Index >= 0) != c.array || e.Name != c.name {
			continue
		}
		found = true
		dst = append(dst, c.start...)
		if c.array {
			dst = strconv.AppendInt(dst, int64(e.Index), 10)
			dst = append(dst, `">`...)
		}
		dst = appendText(dst, e.Value)
		dst = append(dst, c.end...)
		if !c.array {
			return dst
		}
	}
	if !found && !c.array {
		dst = append(dst, c.none...)
	}
	return dst
}

// Read returns the variables that a document holds in our part: what another
// [Layout] wrote. Wrap-up data are not among them.
func (l *Layout) Read(d *Document) Variables {
	var v Variables
	part := d.application(l.id)
	if part == nil {
		return v
	}
	for _, c := range part.children {
		if !ours(c.name) {
			continue
		}
		xml := part.XML[c.start:c.end]
		switch {
		case c.name == eccName:
			v.ECC = readECC(xml)
		case c.name == midName:
			v.MID, _ = value(xml, "")
		default:
			n, _ := strconv.Atoi(c.name[2:])
			v.Call[n-1], _ = value(xml, "")
		}
	}
	return v
}

// readECC reads the elements below <ECC>.
func readECC(xml string) []ECC {
	var out []ECC
	p := scanner{s: xml}
	if p.next().empty {
		return nil
	}
	for depth := 0; depth >= 0; {
		t := p.next()
		switch t.kind {
		case tokenEOF:
			return out
		case tokenStart:
			if depth == 0 {
				e := ECC{Name: UnescapeName(local(t.name)), Index: Scalar}
				eachAttribute(t.attrs, func(name, raw string) bool {
					if n, err := strconv.Atoi(raw); name == indexName && err == nil && n >= 0 {
						e.Index = n
					}
					return true
				})
				e.Value, _ = value(xml[t.start:], "")
				out = append(out, e)
			}
			if !t.empty {
				depth++
			}
		case tokenEnd:
			depth--
		}
	}
	return out
}
