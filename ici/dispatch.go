package ici

import (
	"slices"
	"strings"
)

// dispatch finds service, operation and parameters of a call. Names are looked up in this order: the service by the
// namespace of the operation element, else by the URL path; in it, then in the service it falls back to, the operation
// by name or alias; without a service, the name or alias over all services, where the parameters and item ids that are
// present decide between several. SOAPAction plays no part.
func (p *Profile) dispatch(r *Request, path string, events bool) {
	r.Service = p.byNS[r.body.Space()]
	if r.Service == ServiceUnknown {
		r.Service = p.serviceByPath(path, events)
	}
	if r.Service != ServiceUnknown && p.services[r.Service].inbound == events {
		r.Service = ServiceUnknown // the other side's service
	}
	if r.Service != ServiceUnknown {
		r.Op = p.opIn(r.Service, r.Name)
	} else {
		r.Op = p.opAnywhere(r, events)
		r.Service = p.ops[r.Op].service
	}
	if r.Op == OpUnknown && !events {
		r.Op = p.subscription(r)
	}
	p.bind(r)
}

func (p *Profile) serviceByPath(path string, events bool) Service {
	if path == "" {
		return ServiceUnknown
	}
	for i := 1; i < len(p.services); i++ {
		if s := &p.services[i]; s.inbound != events && hasPathSuffix(path, s.path) {
			return Service(i)
		}
	}
	// A path may also name the service alone: /connector/IciUser or /connector/IciUserService.
	for i := 1; i < len(p.services); i++ {
		s := &p.services[i]
		if s.inbound == events {
			continue
		}
		for part := range strings.SplitSeq(path, "/") {
			if strings.EqualFold(part, s.name) || len(part) == len(s.name)+7 && strings.EqualFold(part, s.name+"Service") {
				return Service(i)
			}
		}
	}
	return ServiceUnknown
}

func hasPathSuffix(path, suffix string) bool {
	path = strings.TrimSuffix(path, "/")
	return len(path) >= len(suffix) && strings.EqualFold(path[len(path)-len(suffix):], suffix)
}

// opIn looks a name up in one service and in the service it falls back to.
func (p *Profile) opIn(s Service, name string) Op {
	for s != ServiceUnknown {
		info := &p.services[s]
		if op := info.ops[name]; op != OpUnknown {
			return op
		}
		if op := info.folded[strings.ToLower(name)]; op != OpUnknown {
			return op
		}
		if short := messageName(name, info.name); short != name {
			if op := info.folded[strings.ToLower(short)]; op != OpUnknown {
				return op
			}
		}
		s = info.fallback
	}
	return OpUnknown
}

// messageName strips what toolkits put around an operation name in message names: IciItem_wrapUpRequired_Request.
func messageName(name, service string) string {
	name = strings.TrimPrefix(name, service+"_")
	name = strings.TrimSuffix(name, "Request")
	return strings.TrimSuffix(name, "_")
}

func (p *Profile) opAnywhere(r *Request, events bool) Op {
	ops := p.lookup[r.Name]
	if len(ops) == 0 {
		ops = p.folded[strings.ToLower(r.Name)]
	}
	best, bestScore := OpUnknown, -1
	for _, op := range ops {
		if p.services[p.ops[op].service].inbound == events {
			continue
		}
		if score := p.score(r, op); score > bestScore {
			best, bestScore = op, score
		}
	}
	if best != OpUnknown || len(ops) > 0 {
		return best
	}
	for i := 1; i < len(p.services); i++ {
		if s := &p.services[i]; s.inbound != events && strings.HasPrefix(r.Name, s.name+"_") {
			return p.opIn(Service(i), r.Name)
		}
	}
	return OpUnknown
}

// score says how well the elements of a call fit an operation: an item id of ours weighs most, then each parameter that
// belongs to it. The operation's own name weighs a little more than an alias.
func (p *Profile) score(r *Request, op Op) int {
	info := &p.ops[op]
	prefix := p.services[info.service].prefix
	score := 0
	if info.name == r.Name {
		score++
	}
	for c := r.body.First(); c.Exists(); c = c.Next() {
		x := p.paramIn(info, c.Name())
		if x == ParamUnknown {
			continue
		}
		score += 2
		if prefix != "" && strings.HasPrefix(c.Text(), prefix) {
			score += 100
		}
		if x != ParamUserID && x != ParamAppID && x != ParamAppURL {
			score += 10 // an id of something narrows more than the user, whom every call names
		}
	}
	return score
}

// subscription recognises a subscribe call under any name: it brings an application id and an event URL.
func (p *Profile) subscription(r *Request) Op {
	id, url := false, false
	for c := r.body.First(); c.Exists(); c = c.Next() {
		switch p.paramAny(c.Name()) {
		case ParamAppID:
			id = c.Text() != ""
		case ParamAppURL:
			url = c.Text() != ""
		}
	}
	if !id || !url {
		return OpUnknown
	}
	if r.Service == ServiceMonitor {
		return OpMonitorSubscribe
	}
	return OpUserSubscribe
}

// paramIn finds a parameter of an operation by its element name.
func (p *Profile) paramIn(info *opInfo, name string) Param {
	for i := range info.params {
		if info.params[i].tag.name == name {
			return info.params[i].param
		}
	}
	x := p.paramAny(name)
	if slices.ContainsFunc(info.params, func(q opParam) bool { return q.param == x }) {
		return x
	}
	return ParamUnknown
}

// paramAny finds a parameter by its element name whatever the operation.
func (p *Profile) paramAny(name string) Param {
	if x, ok := p.paramBy[name]; ok {
		return x
	}
	return p.foldedP[strings.ToLower(name)]
}

// bind ties the elements of the call to parameters.
func (p *Profile) bind(r *Request) {
	info := &p.ops[r.Op]
	r.bound = r.first[:0]
	for c := r.body.First(); c.Exists(); c = c.Next() {
		x := p.paramIn(info, c.Name())
		if x == ParamUnknown {
			x = p.paramAny(c.Name())
		}
		if x != ParamUnknown {
			r.bound = append(r.bound, boundParam{x, c.i})
		} else {
			r.strange++
		}
	}
}
