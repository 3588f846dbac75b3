package ici

import "strings"

// Request is one call that was read: a request of SAP, or on the side of SAP an event. It keeps no buffers of the
// server and may be kept for ever. Everything but After may be called from several goroutines.
type Request struct {
	Op       Op      // OpUnknown when the profile does not know it
	Service  Service // by namespace, else by URL path, else that of Op
	Name     string  // operation element as received
	User     string  // userId parameter, else the header entry: the SAP user for whom the call is made
	Language string  // header entry, for example DE; "" if absent
	System   string  // name of the System that received it
	Remote   string  // address of the caller
	Style    Style   // how the caller writes, and how the answer is written
	Profile  *Profile

	HeaderUser string // header entry even when a userId parameter overrules it

	body    Element
	bound   []boundParam
	first   [6]boundParam
	strange int // elements that are no parameter
	after   []func()
	served  bool
}

// boundParam ties a parameter to the element that brought it.
type boundParam struct {
	param Param
	node  int32
}

// Body gives the operation element with everything in it.
func (r *Request) Body() Element { return r.body }

// Element gives the first element of a parameter; it does not exist when the parameter is absent.
func (r *Request) Element(p Param) Element {
	for _, b := range r.bound {
		if b.param == p {
			return Element{r.body.d, b.node}
		}
	}
	return Element{}
}

// Has reports whether a parameter is there and not nil.
func (r *Request) Has(p Param) bool { return !r.Element(p).Nil() }

// Text gives a parameter as text, "" when it is absent or nil. A parameter that comes as a code with its description
// gives the code; one with other child elements gives its inner XML.
func (r *Request) Text(p Param) string { return r.Element(p).plain() }

// Bool gives a parameter as boolean: true, false, 1, 0, X and empty (false). def when it is absent, nil or something else.
func (r *Request) Bool(p Param, def bool) bool { return r.Element(p).Bool(def) }

// List gives a parameter as list of texts: the rows of an array whatever their name, repeated elements, or one text.
func (r *Request) List(p Param) []string {
	var out []string
	for _, b := range r.bound {
		if b.param == p {
			out = (Element{r.body.d, b.node}).AppendTexts(out)
		}
	}
	return out
}

// After asks the server to run f once the answer is on its way to the caller, in the order of the calls. Events that a
// request causes are sent from here, so that they do not overtake the answer. f runs on the goroutine of the request and
// should be short. It must be called from the goroutine that called the [Handler], before the handler returns.
func (r *Request) After(f func()) {
	if r.served {
		f()
		return
	}
	r.after = append(r.after, f)
}

// ParseOptions says how a message is read. The zero value and nil read a request of SAP with default limits.
type ParseOptions struct {
	ContentType string  // HTTP header, for its charset
	Path        string  // URL path: names the service when the namespace does not
	Events      bool    // read an event: only services that SAP serves are known
	Limits      *Limits // nil = defaults
}

// ParseRequest reads the envelope of a call. Errors are *ParseError. A call whose operation is unknown is not an error.
func (p *Profile) ParseRequest(body []byte, o *ParseOptions) (*Request, error) {
	if o == nil {
		o = &ParseOptions{}
	}
	env, err := p.parseEnvelope(body, o.ContentType, o.Limits)
	if err != nil {
		return nil, err
	}
	r := &Request{Profile: p, Style: Literal}
	if env.d.typed {
		r.Style = Encoded
	}
	for h := env.header.First(); h.Exists(); h = h.Next() {
		switch name := h.Name(); {
		case strings.EqualFold(name, p.wire[WireHeaderUser]):
			r.HeaderUser = strings.TrimSpace(h.Text())
		case strings.EqualFold(name, p.wire[WireHeaderLanguage]):
			r.Language = strings.TrimSpace(h.Text())
		}
	}
	r.body = env.body
	r.Name = env.body.Name()
	if !env.d.typed && !r.body.First().Exists() {
		r.Style = Encoded // nothing tells; SAP is believed to write rpc/encoded
	}
	p.dispatch(r, o.Path, o.Events)
	r.User = r.HeaderUser
	if e := r.Element(ParamUserID); !e.Nil() && e.Text() != "" {
		r.User = strings.TrimSpace(e.Text())
	}
	return r, nil
}

// envelope is a SOAP envelope whose parts were found.
type envelope struct {
	d            *document
	header, body Element // body is the first element inside Body
}

// Names of SOAP 1.1 itself.
const (
	soapEnvelope    = "Envelope"
	soapHeader      = "Header"
	soapBody        = "Body"
	soapFault       = "Fault"
	soapFaultCode   = "faultcode"
	soapFaultString = "faultstring"
	soapDetail      = "detail"
)

func (p *Profile) parseEnvelope(body []byte, contentType string, l *Limits) (envelope, error) {
	lim := l.withDefaults()
	if int64(len(body)) > lim.Body {
		return envelope{}, &ParseError{Msg: "message is too large", Err: ErrTooLarge}
	}
	text, err := toUTF8(body, contentType, lim.Body)
	if err != nil {
		return envelope{}, err
	}
	d, err := parse(p, text, &lim)
	if err != nil {
		return envelope{}, err
	}
	root := Element{d, 1}
	if root.Name() != soapEnvelope {
		return envelope{}, &ParseError{Msg: "root element is " + quote(root.Name()), Err: ErrEnvelope}
	}
	if ns := root.Space(); ns != "" && ns != p.wire[WireEnvelope] {
		return envelope{}, &ParseError{Msg: "envelope namespace is " + quote(ns), Err: ErrVersion}
	}
	env := envelope{d: d}
	found := false
	for c := root.First(); c.Exists(); c = c.Next() {
		switch c.Name() {
		case soapHeader:
			env.header = c
		case soapBody:
			if found {
				return envelope{}, &ParseError{Msg: "more than one Body", Err: ErrEnvelope}
			}
			found = true
			env.body = operation(c)
		}
	}
	if !found {
		return envelope{}, &ParseError{Msg: "Body is missing", Err: ErrEnvelope}
	}
	if !env.body.Exists() {
		return envelope{}, &ParseError{Msg: "Body is empty", Err: ErrEnvelope}
	}
	return env, nil
}

// operation picks the operation among the children of Body: the first one that is not a multi-reference value.
func operation(body Element) Element {
	for c := body.First(); c.Exists(); c = c.Next() {
		if c.d.nodes[c.i].flags&hasID == 0 {
			return c
		}
	}
	return body.First()
}
