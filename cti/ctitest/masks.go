package ctitest

import (
	"reflect"
	"strings"

	"github.com/connects-go/connects/cti"
)

// Values that stand for "none".
const (
	null32 = 0xffffffff
	null16 = 0xffff
)

// voiceMRD is the media routing domain of voice.
const voiceMRD = 1

// peripheralType is what an agent peripheral of CCE calls itself.
const peripheralType = cti.PeripheralTypeEnterpriseAgent

// Short names of the mask bits.
const (
	maskDelivered         = cti.CallEventMaskCallDelivered
	maskQueued            = cti.CallEventMaskCallQueued
	maskEstablished       = cti.CallEventMaskCallEstablished
	maskHeld              = cti.CallEventMaskCallHeld
	maskRetrieved         = cti.CallEventMaskCallRetrieved
	maskCleared           = cti.CallEventMaskCallCleared
	maskConnectionCleared = cti.CallEventMaskCallConnectionCleared
	maskOriginated        = cti.CallEventMaskCallOriginated
	maskConferenced       = cti.CallEventMaskCallConferenced
	maskTransferred       = cti.CallEventMaskCallTransferred
	maskDiverted          = cti.CallEventMaskCallDiverted
	maskServiceInitiated  = cti.CallEventMaskCallServiceInitiated
	maskBeginCall         = cti.CallEventMaskBeginCall
	maskEndCall           = cti.CallEventMaskEndCall
	maskCallDataUpdate    = cti.CallEventMaskCallDataUpdate
	maskFailed            = cti.CallEventMaskCallFailed
	maskReachedNetwork    = cti.CallEventMaskCallReachedNetwork
	maskDequeued          = cti.CallEventMaskCallDequeued
	maskAgentPreCall      = cti.CallEventMaskAgentPreCall
	maskAgentPreCallAbort = cti.CallEventMaskAgentPreCallAbort
	maskRTPStarted        = cti.CallEventMaskRTPStarted
	maskRTPStopped        = cti.CallEventMaskRTPStopped

	serviceClientEvents      = cti.CTIServiceMaskClientEvents
	serviceCallDataUpdate    = cti.CTIServiceMaskCallDataUpdate
	serviceClientControl     = cti.CTIServiceMaskClientControl
	serviceAllEvents         = cti.CTIServiceMaskAllEvents
	servicePeripheralMonitor = cti.CTIServiceMaskPeripheralMonitor
	serviceClientMonitor     = cti.CTIServiceMaskClientMonitor
	serviceSupervisor        = cti.CTIServiceMaskSupervisor
	serviceIgnoreDuplicates  = cti.CTIServiceMaskIgnoreDuplicateAgentEvents
	serviceIgnoreConf        = cti.CTIServiceMaskIgnoreConf
	serviceACDLineOnly       = cti.CTIServiceMaskACDLineOnly
	serviceActiveStandby     = cti.CTIServiceMaskActiveStandby
	agentStateControlOnly    = cti.CTIServiceMaskCTIAgentStateControlOnly

	// knownServices are the defined bits; others are refused.
	knownServices = cti.CTIServiceMaskDebug | serviceClientEvents | serviceCallDataUpdate | serviceClientControl |
		cti.CTIServiceMaskConnectionMonitor | serviceAllEvents | servicePeripheralMonitor | serviceClientMonitor |
		serviceSupervisor | cti.CTIServiceMaskServer | cti.CTIServiceMaskAgentReporting | cti.CTIServiceMaskAllTaskEvents |
		cti.CTIServiceMaskTaskMonitor | agentStateControlOnly | cti.CTIServiceMaskCTIDeviceStateControl |
		cti.CTIServiceMaskUpdateEvents | serviceIgnoreDuplicates | serviceIgnoreConf | serviceACDLineOnly | serviceActiveStandby

	// unsupportedServices are defined but not granted, because their messages are not simulated.
	unsupportedServices = cti.CTIServiceMaskServer | cti.CTIServiceMaskAgentReporting | cti.CTIServiceMaskAllTaskEvents |
		cti.CTIServiceMaskTaskMonitor | cti.CTIServiceMaskCTIDeviceStateControl | cti.CTIServiceMaskUpdateEvents

	knownAgentStates = cti.AgentStateMaskNotActive<<1 - 1
	knownConfig      = cti.ConfigMaskAgentService<<1 - 1
)

// variableTags are the tags of the call variables.
var variableTags = [...]cti.Tag{cti.TagCallVar1, cti.TagCallVar2, cti.TagCallVar3, cti.TagCallVar4, cti.TagCallVar5,
	cti.TagCallVar6, cti.TagCallVar7, cti.TagCallVar8, cti.TagCallVar9, cti.TagCallVar10}

// agentMaskOf is the mask bit of a state; the bits do not follow the values.
func agentMaskOf(st cti.AgentState) cti.AgentStateMask {
	switch st {
	case cti.AgentStateLogin:
		return cti.AgentStateMaskLogin
	case cti.AgentStateLogout:
		return cti.AgentStateMaskLogout
	case cti.AgentStateNotReady:
		return cti.AgentStateMaskNotReady
	case cti.AgentStateAvailable:
		return cti.AgentStateMaskAvailable
	case cti.AgentStateTalking:
		return cti.AgentStateMaskTalking
	case cti.AgentStateWorkNotReady:
		return cti.AgentStateMaskWorkNotReady
	case cti.AgentStateWorkReady:
		return cti.AgentStateMaskWorkReady
	case cti.AgentStateBusyOther:
		return cti.AgentStateMaskBusyOther
	case cti.AgentStateReserved:
		return cti.AgentStateMaskReserved
	case cti.AgentStateHold:
		return cti.AgentStateMaskHold
	}
	return 0
}

// floatingStatus looks at the floating part of a request as the server does, which is stricter
// than clients have to be: foreign and unknown tags, fields that are too long, missing fields.
func floatingStatus(msg cti.Message, tolerateUnknown bool) cti.StatusCode {
	f, ok := floatingOf(msg)
	if !ok {
		return 0
	}
	for _, x := range f.Extra {
		if !strings.HasPrefix(x.Tag.String(), "Tag(") {
			return cti.StatusCodeInvalidTagForMsgType
		}
		if !tolerateUnknown {
			return cti.StatusCodeInvalidFieldTag
		}
	}
	if f.Absent != 0 {
		return cti.StatusCodeRequiredDataMissing
	}
	if _, err := msg.AppendTo(nil, cti.MaxVersion); err != nil {
		return cti.StatusCodeInvalidFieldLength
	}
	return 0
}

// floatingOf returns the floating part of any message. Only the simulator needs it for all types
// alike, so reflection is cheap enough.
func floatingOf(msg cti.Message) (cti.Floating, bool) {
	v := reflect.ValueOf(msg)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return cti.Floating{}, false
	}
	f := v.Elem().FieldByName("Floating")
	if !f.IsValid() {
		return cti.Floating{}, false
	}
	fl, ok := f.Interface().(cti.Floating)
	return fl, ok
}
