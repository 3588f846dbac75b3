package crm

import (
	"errors"
	"io/fs"
	"os"
	"strconv"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/internal/crm/lang"
)

// texts gives every text that SAP shows, in the agent's language. Its views are
// for the strand; cat is for any goroutine.
type texts struct {
	all     *lang.Texts
	profile *ici.Profile
	gen     uint64
	views   map[string]*langView
}

// langView is one language, ready to be put into values.
type langView struct {
	cat     *lang.Catalog
	modes   []ici.TextElement
	states  [statusFailed + 1]ici.TextElement
	reasons [reasonCallback + 1]ici.TextElement
	each    [numCaps]ici.TextElement
	sets    map[capSet][]ici.TextElement
}

func newTexts(fsys fs.FS, dir string, p *ici.Profile) (*texts, error) {
	if fsys == nil && dir != "" {
		fsys = os.DirFS(dir)
	}
	all, err := lang.Load(fsys)
	return &texts{all: all, profile: p, views: map[string]*langView{}}, err
}

// cat returns the texts of a language; safe for any goroutine.
func (t *texts) cat(language string) *lang.Catalog { return t.all.For(language) }

// of returns the view of a language, on the strand.
func (t *texts) of(language string) *langView {
	if g := t.all.Generation(); g != t.gen {
		clear(t.views)
		t.gen = g
	}
	if v := t.views[language]; v != nil {
		return v
	}
	cat := t.all.For(language)
	if v := t.views[cat.Code()]; v != nil {
		t.views[language] = v
		return v
	}
	v := &langView{cat: cat, sets: map[capSet][]ici.TextElement{}}
	for _, m := range []ici.Code{ici.WorkmodeReady, ici.WorkmodeNotReady} {
		id := t.profile.Code(m)
		v.modes = append(v.modes, ici.TextElement{ID: id, Description: cat.Text(lang.WorkMode, id)})
	}
	for _, r := range cat.Reasons() {
		v.modes = append(v.modes, ici.TextElement{ID: strconv.Itoa(r.Mode), Description: r.Text})
	}
	for s, code := range statusCodes {
		if code != ici.CodeUnknown {
			v.states[s] = t.profile.Element(code, cat.Text(lang.CallStatus, strconv.Itoa(s)))
		}
	}
	for r, code := range reasonCodes {
		if code != ici.CodeUnknown {
			v.reasons[r] = t.profile.Element(code, cat.Text(lang.CallReason, strconv.Itoa(r)))
		}
	}
	for i, code := range capCodes {
		id := t.profile.Code(code)
		v.each[i] = ici.TextElement{ID: id, Description: cat.Text(lang.Capability, id)}
	}
	if len(t.views) < 256 { // language codes come from requests
		t.views[cat.Code()] = v
		t.views[language] = v
	}
	return v
}

// hasMode tells whether the site's files name a not-ready reason.
func (t *texts) hasMode(id int) bool {
	return t.all.For(lang.English).Has(lang.WorkModeSupplementary, strconv.Itoa(id)) || t.inAny(id)
}

func (t *texts) inAny(id int) bool {
	for _, l := range t.all.Report().Languages {
		if t.all.For(l).Has(lang.WorkModeSupplementary, strconv.Itoa(id)) {
			return true
		}
	}
	return false
}

// hasModes tells whether the site's files name any not-ready reason.
func (t *texts) hasModes() bool {
	if len(t.all.For(lang.English).Reasons()) > 0 {
		return true
	}
	for _, l := range t.all.Report().Languages {
		if len(t.all.For(l).Reasons()) > 0 {
			return true
		}
	}
	return false
}

func (v *langView) status(s status) ici.TextElement { return v.states[s] }

func (v *langView) reason(r int) ici.TextElement {
	if r < 0 || r >= len(v.reasons) {
		return ici.TextElement{}
	}
	return v.reasons[r]
}

// caps returns a set as a list; lists are shared and never changed.
func (v *langView) caps(s capSet) []ici.TextElement {
	if l, ok := v.sets[s]; ok {
		return l
	}
	var l []ici.TextElement
	for i := range v.each {
		if s&(1<<i) != 0 {
			l = append(l, v.each[i])
		}
	}
	v.sets[s] = l
	return l
}

// faultSection is where the language files hold the texts of faults.
const faultSection = lang.Fault

// numCaps is the number of capabilities.
const numCaps = 14

var capCodes = [numCaps]ici.Code{
	ici.CapabilityMakeCall, ici.CapabilityAccept, ici.CapabilityReject, ici.CapabilityDrop, ici.CapabilityHold,
	ici.CapabilityRetrieve, ici.CapabilityToggle, ici.CapabilityConsult, ici.CapabilityWarmTransfer,
	ici.CapabilityBlindTransfer, ici.CapabilityConference, ici.CapabilityLeaveConference, ici.CapabilitySendDTMF,
	ici.CapabilityWrapUpRequired,
}

var statusCodes = [statusFailed + 1]ici.Code{
	statusOffered: ici.PhoneCallStatusOffered, statusDialing: ici.PhoneCallStatusDialing,
	statusRinging: ici.PhoneCallStatusRinging, statusConnected: ici.PhoneCallStatusConnected,
	statusHeld: ici.PhoneCallStatusHeld, statusConference: ici.PhoneCallStatusConference,
	statusWrapUp: ici.PhoneCallStatusWrapUp, statusEnded: ici.PhoneCallStatusEnded, statusFailed: ici.PhoneCallStatusFailed,
}

var reasonCodes = [reasonCallback + 1]ici.Code{
	reasonDirect: ici.CallReasonDirect, reasonQueue: ici.CallReasonQueue, reasonConsult: ici.CallReasonConsultation,
	reasonTransferred: ici.CallReasonTransferred, reasonConference: ici.CallReasonConference, reasonCallback: ici.CallReasonCallback,
}

// text returns a text that is no code of the interface, by its name in the
// language files.
func (t *texts) text(language, key string) string {
	if key == "" {
		return ""
	}
	return t.all.For(language).Text(lang.Text, key)
}

// textFor returns a text in the language of an agent.
func (c *Connector) textFor(a *agent, key string) string { return c.texts.text(a.rec.Lang, key) }

// fault makes the refusal of a request, in the language of its header.
func (c *Connector) fault(r *ici.Request, code ici.FaultCode, err error) error {
	return &ici.Fault{Code: code, Text: c.texts.cat(r.Language).Text(lang.Fault, c.profile.FaultName(code)), Err: err}
}

// faultText is fault with more than the code says.
func (c *Connector) faultText(r *ici.Request, code ici.FaultCode, key string, err error) error {
	return &ici.Fault{Code: code, Text: c.texts.text(r.Language, key), Err: err}
}

// refusalKey is the text for a refusal by the switch.
func refusalKey(err error) string {
	if temporary(err) {
		return "linkDown"
	}
	var ce *cti.ControlError
	if errors.As(err, &ce) {
		switch ce.Code {
		case cti.ControlFailureCodeInvalidAgentIDSpecified, cti.ControlFailureCodeInvalidPasswordSpecified,
			cti.ControlFailureCodeInvalidAgentIDOrPasswordSpecified:
			return "password"
		case cti.ControlFailureCodeSpecifiedAgentAlreadySignedOn:
			return "alreadyOn"
		case cti.ControlFailureCodeAgentAccountLockedOut:
			return "locked"
		case cti.ControlFailureCodeInvalidLogonDeviceSpecified, cti.ControlFailureCodeSpecifiedExtensionAlreadyInUse,
			cti.ControlFailureCodeExtensionNotUnique, cti.ControlFailureCodeDeviceRestricted,
			cti.ControlFailureCodeSharedLinesNotSupported:
			return "device"
		case cti.ControlFailureCodeInvalidCalledDevice, cti.ControlFailureCodeInvalidDestination,
			cti.ControlFailureCodeInvalidDialedNumber:
			return textUnreachable
		case cti.ControlFailureCodeWrapupDataRequired:
			return "wrapUpData"
		case cti.ControlFailureCodeReasonCodeRequired, cti.ControlFailureCodeInvalidAgentReasonCode:
			return "reasonRequired"
		case cti.ControlFailureCodeArbitraryConfOrXferNotSupported:
			return "invalidTransfer"
		case cti.ControlFailureCodeServiceBusy, cti.ControlFailureCodeResourceBusy, cti.ControlFailureCodeNetworkBusy:
			return textBusy
		}
	}
	return "refused"
}

func (c *Connector) refusal(language string, err error) string {
	return c.texts.text(language, refusalKey(err))
}

// modeElement is the work mode that SAP shows, with its text.
func (c *Connector) modeElement(v *langView, a *agent) ici.TextElement {
	mode := a.shownMode()
	e := ici.TextElement{ID: strconv.Itoa(mode), Description: v.cat.Mode(mode)}
	if e.Description == e.ID {
		// A reason without a text of its own.
		e.Description = v.cat.Mode(modeNotReady)
	}
	switch {
	case a.rec.Pending != 0 && mode == a.rec.Pending && a.rec.LoggedOn:
		e.Description += " (" + c.texts.text(v.cat.Code(), "pending") + ")"
	case mode == modeNotReady && a.rec.Reason != 0:
		switch a.rec.Reason {
		case 32767:
			e.Description = c.texts.text(v.cat.Code(), "rona")
		case 50005, 50006, 50041:
			e.Description = c.texts.text(v.cat.Code(), "offHook")
		}
	}
	return e
}
