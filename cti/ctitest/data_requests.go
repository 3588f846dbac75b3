package ctitest

import (
	"github.com/connects-go/connects/cti"
)

// dataFields reads the call data that a request carries. Fields that are on the wire with an empty
// value count as given.
func dataFields(msg cti.Message, numNamed, numArrays uint16) *dataIn {
	in := &dataIn{numNamed: numNamed, numArrays: numArrays}
	msg.VisitFields(0, func(f cti.FieldValue) bool {
		text := f.Text
		switch f.Name {
		case "CallVariable1":
			in.vars[0] = &text
		case "CallVariable2":
			in.vars[1] = &text
		case "CallVariable3":
			in.vars[2] = &text
		case "CallVariable4":
			in.vars[3] = &text
		case "CallVariable5":
			in.vars[4] = &text
		case "CallVariable6":
			in.vars[5] = &text
		case "CallVariable7":
			in.vars[6] = &text
		case "CallVariable8":
			in.vars[7] = &text
		case "CallVariable9":
			in.vars[8] = &text
		case "CallVariable10":
			in.vars[9] = &text
		case "CallWrapupData":
			in.wrapup = &text
		case "ANI":
			in.ani = &text
		case "CallerEnteredDigits":
			in.ced = &text
		case "CustomerPhoneNumber":
			in.phone = &text
		case "CustomerAccountNumber":
			in.account = &text
		case "UserToUserInfo":
			in.uui = f.Bytes
		case "NamedVariable":
			in.named = append(in.named, cti.NamedVar{Name: f.Var.Name, Value: f.Var.Value})
		case "NamedArray":
			in.arrays = append(in.arrays, f.Var)
		}
		return true
	})
	return in
}

func (m *model) setCallData(s *session, r *cti.SetCallDataReq) (cti.Confirm, *refusal) {
	if !s.has(serviceCallDataUpdate) {
		return nil, status(cti.StatusCodeFunctionNotAvailable)
	}
	l, no := m.dataLeg(s, r.PeripheralID, r.ConnectionCallID, r.ConnectionDeviceIDType, r.ConnectionDeviceID)
	if no != nil {
		return nil, no
	}
	in := dataFields(r, r.NumNamedVariables, r.NumNamedArrays)
	if code := m.check(in); code != 0 {
		return nil, status(code)
	}
	d := &l.call.data
	if !d.fits(in) {
		return nil, status(cti.StatusCodeTooMuchData)
	}
	ch := d.apply(in)
	if r.CampaignID != 0 {
		d.campaign = r.CampaignID
	}
	if r.QueryRuleID != 0 {
		d.rule = r.QueryRuleID
	}
	if r.CalledPartyDisposition != 0 {
		d.disposition = r.CalledPartyDisposition
	}
	m.dataChanged(l, ch)
	return &cti.SetCallDataConf{}, nil
}

// dataChanged tells changed call data at all phones and queues of the call.
func (m *model) dataChanged(l *leg, ch *change) {
	if l.gone {
		if l.began {
			m.dataUpdate(l, l.key(), ch)
		}
		return
	}
	for _, o := range l.call.legs {
		if o.began {
			m.dataUpdate(o, o.key(), ch)
		}
	}
}

// dataLeg finds a connection of a call that lives, or that ended so short ago that its data may
// still be written.
func (m *model) dataLeg(s *session, pid, callID uint32, t cti.ConnectionDeviceIDType, id string) (*leg, *refusal) {
	if pid != m.pid {
		return nil, status(cti.StatusCodeInvalidPeripheralID)
	}
	l, cf := m.find(callID, id)
	if cf != 0 {
		if l = m.ended[connKey{callID, id}]; l == nil {
			if m.calls[callID] != nil {
				return nil, status(cti.StatusCodeNotCallParty)
			}
			return nil, status(cti.StatusCodeInvalidCallID)
		}
	}
	if l.idType != t {
		return nil, status(cti.StatusCodeInvalidConnectionIDType)
	}
	if !s.has(serviceAllEvents) && (s.dev == nil || l.dev != s.dev) {
		return nil, status(cti.StatusCodeNotCallParty)
	}
	return l, nil
}

// releaseCall gives up the right to write the data of a call that has ended. It does not hang up.
func (m *model) releaseCall(s *session, r *cti.ReleaseCallReq) (cti.Confirm, *refusal) {
	if !s.has(serviceCallDataUpdate) {
		return nil, status(cti.StatusCodeFunctionNotAvailable)
	}
	l, no := m.dataLeg(s, r.PeripheralID, r.ConnectionCallID, r.ConnectionDeviceIDType, r.ConnectionDeviceID)
	if no != nil {
		return nil, no
	}
	if l.gone {
		delete(m.ended, l.key())
	}
	return &cti.ReleaseCallConf{}, nil
}
