package crm

import (
	"errors"
	"log/slog"
	"strconv"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/internal/crm/attached"
)

// attached returns the ItemAttachedData document of a call.
func (c *Connector) attached(cl *call) string {
	cl.data.vars.MID = strconv.FormatUint(uint64(cl.key.id), 10)
	c.docBuf = c.layout.Append(c.docBuf[:0], &cl.data.vars, cl.data.doc)
	if cl.docText != "" && cl.docText == string(c.docBuf) {
		return cl.docText // nothing changed since the last time
	}
	cl.docText = string(c.docBuf)
	return cl.docText
}

// limits of documents from SAP.
func (c *Connector) limits() *attached.Limits {
	return &attached.Limits{MaxBytes: c.cfg.MaxAttachedData}
}

// parseDoc reads the attached data of a request; nil when there are none.
func (c *Connector) parseDoc(r *ici.Request) (*attached.Document, error) {
	text := r.Text(ici.ParamAttachedData)
	if text == "" {
		return nil, nil
	}
	d, err := attached.Parse(text, c.limits())
	if err != nil {
		return nil, c.docFault(r, err)
	}
	return d, nil
}

func (c *Connector) docFault(r *ici.Request, err error) error {
	key := "dataNotXML"
	if errors.Is(err, attached.ErrTooLong) || errors.Is(err, attached.ErrTooDeep) {
		key = "dataTooLong"
	}
	return c.faultText(r, ici.FaultGeneric, key, err)
}

// savedDoc reads a document of the store.
func (c *Connector) savedDoc(text string) *attached.Document {
	if text == "" {
		return nil
	}
	d, err := attached.Parse(text, c.limits())
	if err != nil {
		c.log.Warn("crm: saved attached data cannot be read", slog.String("err", err.Error()))
		return nil
	}
	return d
}

// setAttached keeps what SAP attaches, part by part, and passes the values that
// a rule names on to the ACD. It works until the ended item is forgotten, since
// the wrap-up reason comes late.
func (c *Connector) setAttached(op *operation, it *item) (ici.Value, error) {
	d, err := c.parseDoc(op.r)
	if err != nil {
		return nil, err
	}
	if it.call == nil {
		it.wantData, err = it.wantData.Merge(d, c.limits())
		if err != nil {
			return nil, c.docFault(op.r, err)
		}
		return ici.Text(""), nil
	}
	cl := it.call
	merged, err := cl.data.doc.Merge(d, c.limits())
	if err != nil {
		return nil, c.docFault(op.r, err)
	}
	cl.data.doc = merged
	c.toConsult(cl, d)
	changes := c.mapping.Apply(d, &cl.data.vars)
	if len(changes) > 0 {
		req := c.callDataReq(it, changes)
		op.later(func() {
			done := func(_ cti.Confirm, err error) {
				if err != nil {
					// SAP keeps its document; the ACD lacks the values.
					c.stats.dataRefused.Add(1)
					c.log.Warn("crm: call data not taken", slog.String("agent", it.ag.rec.AgentID), slog.String("err", err.Error()))
					return
				}
				for _, ch := range changes {
					cl.data.vars.Set(ch.Target, ch.Value)
				}
				cl.version++
				c.changed(cl)
			}
			if err := c.send(it.ag, req, done); err != nil {
				done(nil, err)
			}
		})
	}
	// SAP knows what it sent; the other agents of the call do not.
	cl.version++
	it.told.version = cl.version
	c.changed(cl)
	c.remember(cl.data.router, &cl.data)
	c.share(cl, d)
	return ici.Text(""), nil
}

// callDataReq is SET_CALL_DATA_REQ for changed values.
func (c *Connector) callDataReq(it *item, changes []attached.Change) *cti.SetCallDataReq {
	req := &cti.SetCallDataReq{PeripheralID: it.call.key.peripheral, ConnectionCallID: it.conn.Call,
		ConnectionDeviceIDType: it.conn.Type, ConnectionDeviceID: it.conn.Dev, CallType: it.call.data.typ}
	for _, ch := range changes {
		switch ch.Target.Kind {
		case attached.CallVariable:
			setCallVariable(req, ch.Target.Number, ch.Value)
		case attached.ECCVariable:
			req.NamedVariables = append(req.NamedVariables, cti.NamedVar{Name: ch.Target.Name, Value: ch.Value})
		case attached.ECCElement:
			req.NamedArrays = append(req.NamedArrays, cti.NamedArray{Index: uint8(ch.Target.Index), Name: ch.Target.Name, Value: ch.Value})
		case attached.WrapUpData:
			req.CallWrapupData = ch.Value
			req.Mark(cti.TagCallWrapupData)
		}
	}
	return req
}

// fillMakeCall gives a new call the values that the rules take from its document.
func (c *Connector) fillMakeCall(req *cti.MakeCallReq, d *attached.Document) {
	if d == nil {
		return
	}
	fields := [...]*string{&req.CallVariable1, &req.CallVariable2, &req.CallVariable3, &req.CallVariable4, &req.CallVariable5,
		&req.CallVariable6, &req.CallVariable7, &req.CallVariable8, &req.CallVariable9, &req.CallVariable10}
	for _, ch := range c.mapping.Apply(d, nil) {
		switch {
		case ch.Value == "":
		case ch.Target.Kind == attached.CallVariable && ch.Target.Number >= 1 && ch.Target.Number <= len(fields):
			*fields[ch.Target.Number-1] = ch.Value
		case ch.Target.Kind == attached.ECCVariable:
			req.NamedVariables = append(req.NamedVariables, cti.NamedVar{Name: ch.Target.Name, Value: ch.Value})
		case ch.Target.Kind == attached.ECCElement:
			req.NamedArrays = append(req.NamedArrays, cti.NamedArray{Index: uint8(ch.Target.Index), Name: ch.Target.Name, Value: ch.Value})
		case ch.Target.Kind == attached.WrapUpData:
			req.CallWrapupData = ch.Value
		}
	}
}

func setCallVariable(req *cti.SetCallDataReq, n int, v string) {
	fields := [...]*string{&req.CallVariable1, &req.CallVariable2, &req.CallVariable3, &req.CallVariable4, &req.CallVariable5,
		&req.CallVariable6, &req.CallVariable7, &req.CallVariable8, &req.CallVariable9, &req.CallVariable10}
	if n < 1 || n > len(fields) {
		return
	}
	*fields[n-1] = v
	req.Mark(variableTags[n-1])
}

var variableTags = [10]cti.Tag{cti.TagCallVar1, cti.TagCallVar2, cti.TagCallVar3, cti.TagCallVar4,
	cti.TagCallVar5, cti.TagCallVar6, cti.TagCallVar7, cti.TagCallVar8, cti.TagCallVar9, cti.TagCallVar10}

// variableBits are the presence bits of the call variables in CALL_DATA_UPDATE_EVENT.
var variableBits = func() (bits [10]cti.Bits) {
	for i, t := range variableTags {
		var m cti.CallDataUpdateEvent
		m.Mark(t)
		bits[i] = m.Present
	}
	return bits
}()

// cleared are the call variables that an update empties.
func cleared(e *cti.CallDataUpdateEvent) (set uint16) {
	if e.Present == 0 {
		return 0
	}
	for i, b := range variableBits {
		if e.Present&b != 0 {
			set |= 1 << i
		}
	}
	return set
}
