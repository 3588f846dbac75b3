package ici

import "strings"

// document is a message that was read: its elements in one flat slice. Texts are parts of src, or of one
// other string where references had to be resolved, so that reading allocates a handful of times in all.
type document struct {
	p     *Profile
	src   string
	nodes []node // nodes[0] stands for "no element"
	typed bool   // an xsi:type or encodingStyle was seen: the message is rpc/encoded
}

type node struct {
	name, space string
	text        string
	start, end  int32 // inner XML in src
	first, next int32
	flags       uint8
}

type ref struct {
	node int32
	id   string
}

const (
	isNil = 1 << iota
	hasID
	isRef
)

// resolve gives every element with href the content of the element it points to. A reference to nothing, or outside the
// message, gives an empty element. Cycles and an expansion beyond limit elements are errors.
func (d *document) resolve(ids, hrefs []ref, limit int) error {
	target := make(map[string]int32, len(ids))
	for _, r := range ids {
		target[r.id] = r.node
	}
	points := make(map[int32]int32, len(hrefs))
	for _, r := range hrefs {
		if id, ok := strings.CutPrefix(r.id, "#"); ok {
			points[r.node] = target[id]
		}
	}
	// size[i] is the number of elements below i with references followed; -1 while i is being measured.
	size := make([]int, len(d.nodes))
	var measure func(i int32, depth int) bool
	measure = func(i int32, depth int) bool {
		if size[i] != 0 {
			return size[i] > 0
		}
		if depth > maxRefDepth {
			return false
		}
		size[i] = -1
		sum := 1
		if to := points[i]; to != 0 {
			if !measure(to, depth+1) {
				return false
			}
			sum = size[to]
		} else if d.nodes[i].flags&isRef == 0 {
			for c := d.nodes[i].first; c != 0; c = d.nodes[c].next {
				if !measure(c, depth+1) {
					return false
				}
				sum = min(sum+size[c], limit+1)
			}
		}
		size[i] = sum
		return true
	}
	if !measure(1, 0) {
		return &ParseError{Msg: "references form a circle or are nested too deep", Err: ErrEnvelope}
	}
	if size[1] > limit {
		return &ParseError{Msg: "too many elements behind references", Err: ErrTooLarge}
	}
	for _, r := range hrefs {
		n := &d.nodes[r.node]
		to := points[r.node]
		for hops := 0; to != 0 && points[to] != 0 && hops < maxRefDepth; hops++ {
			to = points[to]
		}
		t := &d.nodes[to]
		n.first, n.text, n.start, n.end = t.first, t.text, t.start, t.end
		n.flags |= t.flags & isNil
		if to == 0 {
			n.flags |= isNil
		}
	}
	return nil
}

const maxRefDepth = 256
