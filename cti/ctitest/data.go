package ctitest

import (
	"maps"
	"slices"
	"strings"

	"github.com/connects-go/connects/cti"
)

// Limits of call data in bytes without the NUL. Sources: CTI Server Message Reference Guide (field
// tables), Configuration Guide (expanded call variables).
const (
	maxVariable = 40
	maxWrapup   = 39
	maxECCTotal = 2000
	maxDigits   = 39
	maxUUI      = 131
)

// callData is what travels with a call. Text is as on the wire.
type callData struct {
	ani, ced, wrapup string
	uui              []byte
	vars             [10]string
	ecc              map[string]string
	arrays           map[string]map[uint8]string
	phone, account   string
	campaign, rule   uint32
	disposition      cti.DispositionCode
}

// clone copies call data for a consultation call.
func (d *callData) clone() callData {
	c := *d
	c.ecc = maps.Clone(d.ecc)
	c.arrays = make(map[string]map[uint8]string, len(d.arrays))
	for n, a := range d.arrays {
		c.arrays[n] = maps.Clone(a)
	}
	c.uui = slices.Clone(d.uui)
	c.wrapup = ""
	return c
}

// change says which call data an action has changed.
type change struct {
	vars                        [10]bool
	wrapup, uui, phone, account bool
	ecc                         map[string]bool
}

// allData names everything that is set.
func allData(d *callData) *change {
	c := &change{wrapup: d.wrapup != "", uui: len(d.uui) > 0, phone: d.phone != "", account: d.account != "", ecc: map[string]bool{}}
	for i, v := range d.vars {
		c.vars[i] = v != ""
	}
	for n := range d.ecc {
		c.ecc[n] = true
	}
	for n := range d.arrays {
		c.ecc[n] = true
	}
	return c
}

// shown is call data as one client may see it.
type shown struct {
	vars   [10]string
	named  []cti.NamedVar
	arrays []cti.NamedArray
}

// visible returns the call data without what the client did not register for.
func (s *session) visible(d *callData) shown {
	var out shown
	for i, v := range d.vars {
		if s.registered == nil || s.registered.vars&(1<<i) != 0 {
			out.vars[i] = v
		}
	}
	out.named, out.arrays = s.expanded(d, nil)
	return out
}

// expanded returns the ECC variables that the client may see, all or only some of them.
func (s *session) expanded(d *callData, only map[string]bool) ([]cti.NamedVar, []cti.NamedArray) {
	var named []cti.NamedVar
	var arrays []cti.NamedArray
	if len(d.ecc) == 0 && len(d.arrays) == 0 {
		return nil, nil
	}
	for _, def := range s.m.eccOrder {
		if only != nil && !only[def.name] {
			continue
		}
		if def.size == 0 {
			if v, ok := d.ecc[def.name]; ok && (s.registered == nil || s.registered.scalars[def.name]) {
				named = append(named, cti.NamedVar{Name: def.name, Value: v})
			}
			continue
		}
		a := d.arrays[def.name]
		for i := range def.size {
			v, ok := a[uint8(i)]
			if ok && (s.registered == nil || s.registered.elements[element{def.name, uint8(i)}]) {
				arrays = append(arrays, cti.NamedArray{Index: uint8(i), Name: def.name, Value: v})
			}
		}
	}
	return named, arrays
}

// update is the data part of a CALL_DATA_UPDATE_EVENT for one client.
type update struct {
	shown
	set     *change
	data    *callData
	visible uint16
}

// changed returns what a CALL_DATA_UPDATE_EVENT carries: plain variables only when changed, all ECC
// variables from version 22 on and only the changed ones before.
func (s *session) changed(m *model, d *callData, ch *change) update {
	u := update{set: ch, data: d, visible: 0x3ff}
	if ch == nil {
		u.set = &change{}
	}
	if s.registered != nil {
		u.visible = s.registered.vars
	}
	u.vars = d.vars
	only := u.set.ecc
	if s.version >= cti.Version22 && !m.cfg.Quirks.PartialECC {
		only = nil
	} else if only == nil {
		only = map[string]bool{}
	}
	u.named, u.arrays = s.expanded(d, only)
	return u
}

// into fills the event. A variable that was cleared is sent as an empty field.
func (u update) into(e *cti.CallDataUpdateEvent) {
	fields := [...]*string{&e.CallVariable1, &e.CallVariable2, &e.CallVariable3, &e.CallVariable4, &e.CallVariable5,
		&e.CallVariable6, &e.CallVariable7, &e.CallVariable8, &e.CallVariable9, &e.CallVariable10}
	for i, f := range fields {
		if u.set.vars[i] && u.visible&(1<<i) != 0 {
			*f = u.vars[i]
			e.Mark(variableTags[i])
		}
	}
	if u.set.wrapup {
		e.CallWrapupData = u.data.wrapup
		e.Mark(cti.TagCallWrapupData)
	}
	if u.set.uui {
		e.UserToUserInfo = u.data.uui
	}
	e.CustomerPhoneNumber, e.CustomerAccountNumber = u.data.phone, u.data.account
	e.CampaignID, e.QueryRuleID, e.CalledPartyDisposition = u.data.campaign, u.data.rule, u.data.disposition
	e.NamedVariables, e.NamedArrays = u.named, u.arrays
}

// dataIn is call data that a request brings. Nil pointers are fields that were not there.
type dataIn struct {
	vars           [10]*string
	wrapup         *string
	ani, ced       *string
	uui            []byte
	phone, account *string
	named          []cti.NamedVar
	arrays         []cti.NamedArray
	numNamed       uint16
	numArrays      uint16
}

// check returns why call data may not be written, 0 when it may.
func (m *model) check(in *dataIn) cti.StatusCode {
	for i, v := range in.vars {
		switch {
		case v == nil:
		case m.cfg.WritableVariables != "" && m.cfg.WritableVariables[i] == 'n':
			return cti.StatusCodeProtectedVariable
		case len(*v) > maxVariable:
			return cti.StatusCodeInvalidFieldLength
		}
	}
	long := func(s *string, n int) bool { return s != nil && len(*s) > n }
	if long(in.wrapup, maxWrapup) || long(in.ani, maxDigits) || long(in.ced, maxDigits) || len(in.uui) > maxUUI ||
		long(in.phone, 19) || long(in.account, 31) {
		return cti.StatusCodeInvalidFieldLength
	}
	if int(in.numNamed) != len(in.named) {
		return cti.StatusCodeInvalidNumNamedVariables
	}
	if int(in.numArrays) != len(in.arrays) {
		return cti.StatusCodeInvalidNumNamedArrays
	}
	total := 0
	for _, v := range in.named {
		def := m.ecc[v.Name]
		switch {
		case def == nil:
			return cti.StatusCodeNamedVariableNotConfigured
		case def.size > 0:
			return cti.StatusCodeScalarFunctionOnArray
		case len(v.Value) > def.max:
			return cti.StatusCodeValueTooLong
		}
		total += len(v.Name) + len(v.Value) + 2
	}
	for _, v := range in.arrays {
		def := m.ecc[v.Name]
		switch {
		case def == nil:
			return cti.StatusCodeNamedArrayNotConfigured
		case def.size == 0:
			return cti.StatusCodeArrayFunctionOnScalar
		case int(v.Index) >= def.size:
			return cti.StatusCodeInvalidArrayIndex
		case len(v.Value) > def.max:
			return cti.StatusCodeValueTooLong
		}
		total += len(v.Name) + len(v.Value) + 3
	}
	if total > maxECCTotal {
		return cti.StatusCodeTooMuchData
	}
	return 0
}

// fits says whether the ECC variables of a call stay within the limit when in is added.
func (d *callData) fits(in *dataIn) bool {
	c := d.clone()
	c.apply(in)
	total := 0
	for n, v := range c.ecc {
		total += len(n) + len(v) + 2
	}
	for n, a := range c.arrays {
		for _, v := range a {
			total += len(n) + len(v) + 3
		}
	}
	return total <= maxECCTotal
}

// apply writes call data and returns what has changed. ECC arrays have to be given complete:
// elements that are left out vanish.
func (d *callData) apply(in *dataIn) *change {
	ch := &change{ecc: map[string]bool{}}
	for i, v := range in.vars {
		if v != nil {
			ch.vars[i] = d.vars[i] != *v
			d.vars[i] = *v
		}
	}
	set := func(dst *string, v *string) bool {
		if v == nil || *dst == *v {
			return false
		}
		*dst = *v
		return true
	}
	ch.wrapup = set(&d.wrapup, in.wrapup)
	set(&d.ani, in.ani)
	set(&d.ced, in.ced)
	ch.phone, ch.account = set(&d.phone, in.phone), set(&d.account, in.account)
	if in.uui != nil {
		d.uui, ch.uui = slices.Clone(in.uui), true
	}
	for _, v := range in.named {
		if d.ecc == nil {
			d.ecc = map[string]string{}
		}
		d.ecc[v.Name] = v.Value
		ch.ecc[v.Name] = true
	}
	for _, v := range in.arrays {
		if d.arrays == nil {
			d.arrays = map[string]map[uint8]string{}
		}
		if !ch.ecc[v.Name] {
			ch.ecc[v.Name] = true
			d.arrays[v.Name] = map[uint8]string{}
		}
		d.arrays[v.Name][v.Index] = v.Value
	}
	return ch
}

// registration is what REGISTER_VARIABLES_REQ restricts a client to.
type registration struct {
	vars     uint16
	scalars  map[string]bool
	elements map[element]bool
}

type element struct {
	name  string
	index uint8
}

// register reads a registration; nothing registered = everything.
func (m *model) register(r *cti.RegisterVariablesReq) (*registration, cti.StatusCode) {
	if uint16(r.CallVariableMask)&^0x3ff != 0 {
		return nil, cti.StatusCodeInvalidCallVariableMask
	}
	if int(r.NumNamedVariables) != len(r.NamedVariables) {
		return nil, cti.StatusCodeInvalidNumNamedVariables
	}
	if int(r.NumNamedArrays) != len(r.NamedArrays) {
		return nil, cti.StatusCodeInvalidNumNamedArrays
	}
	reg := &registration{vars: uint16(r.CallVariableMask), scalars: map[string]bool{}, elements: map[element]bool{}}
	for _, v := range r.NamedVariables {
		switch def := m.ecc[v.Name]; {
		case def == nil:
			return nil, cti.StatusCodeNamedVariableNotConfigured
		case def.size > 0:
			return nil, cti.StatusCodeScalarFunctionOnArray
		}
		reg.scalars[v.Name] = true
	}
	for _, v := range r.NamedArrays {
		switch def := m.ecc[v.Name]; {
		case def == nil:
			return nil, cti.StatusCodeNamedArrayNotConfigured
		case def.size == 0:
			return nil, cti.StatusCodeArrayFunctionOnScalar
		case int(v.Index) >= def.size:
			return nil, cti.StatusCodeInvalidArrayIndex
		}
		reg.elements[element{v.Name, v.Index}] = true
	}
	if reg.vars == 0 && len(reg.scalars) == 0 && len(reg.elements) == 0 {
		return nil, 0
	}
	return reg, 0
}

// variableNumber returns 0 to 9 for "CV01" to "CV10", else -1.
func variableNumber(name string) int {
	rest, ok := strings.CutPrefix(name, "CV")
	if !ok || len(rest) != 2 {
		return -1
	}
	n := int(rest[0]-'0')*10 + int(rest[1]-'0')
	if rest[0] < '0' || rest[0] > '1' || rest[1] < '0' || rest[1] > '9' || n < 1 || n > 10 {
		return -1
	}
	return n - 1
}
