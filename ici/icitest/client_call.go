package icitest

import (
	"context"

	"github.com/connects-go/connects/ici"
)

func callArg(id string) Arg { return Arg{ici.ParamPhoneCallID, id} }

// MakeCall starts an outbound call (S06). The attached data may be "".
func (c *Client) MakeCall(ctx context.Context, destination, attachedData string) (ici.PhoneCall, error) {
	args := []Arg{c.user(), {ici.ParamDestination, destination}}
	if attachedData != "" {
		args = append(args, Arg{ici.ParamAttachedData, attachedData})
	}
	return result[ici.PhoneCall](ctx, c, ici.OpPhoneCallMakeCall, args...)
}

// AcceptCall answers an offered call (S04).
func (c *Client) AcceptCall(ctx context.Context, id string) error {
	return c.act(ctx, ici.OpPhoneCallAccept, c.user(), callArg(id))
}

// RejectCall refuses an offered call (S05).
func (c *Client) RejectCall(ctx context.Context, id string) error {
	return c.act(ctx, ici.OpPhoneCallReject, c.user(), callArg(id))
}

// DropCall hangs up.
func (c *Client) DropCall(ctx context.Context, id string) error {
	return c.act(ctx, ici.OpPhoneCallDrop, c.user(), callArg(id))
}

// HoldCall puts a call on hold.
func (c *Client) HoldCall(ctx context.Context, id string) error {
	return c.act(ctx, ici.OpPhoneCallHold, c.user(), callArg(id))
}

// RetrieveCall takes a call back from hold.
func (c *Client) RetrieveCall(ctx context.Context, id string) error {
	return c.act(ctx, ici.OpPhoneCallRetrieve, c.user(), callArg(id))
}

// ToggleCalls swaps the active and the held call (S07).
func (c *Client) ToggleCalls(ctx context.Context, activeID, heldID string) error {
	return c.act(ctx, ici.OpPhoneCallToggle, c.user(), callArg(activeID), Arg{ici.ParamHeldPhoneCallID, heldID})
}

// Consult holds a call and starts an enquiry call, which is returned (S07).
func (c *Client) Consult(ctx context.Context, id, destination string) (ici.PhoneCall, error) {
	return result[ici.PhoneCall](ctx, c, ici.OpPhoneCallConsult, c.user(), callArg(id), Arg{ici.ParamDestination, destination})
}

// WarmTransfer connects the held and the consulted party (S08).
func (c *Client) WarmTransfer(ctx context.Context, id, consultID string) error {
	return c.act(ctx, ici.OpPhoneCallWarmTransfer, c.user(), callArg(id), Arg{ici.ParamConsultPhoneCallID, consultID})
}

// BlindTransfer transfers a call without consultation (S09).
func (c *Client) BlindTransfer(ctx context.Context, id, destination string) error {
	return c.act(ctx, ici.OpPhoneCallBlindTransfer, c.user(), callArg(id), Arg{ici.ParamDestination, destination})
}

// Conference joins the held and the consulted party (S10).
func (c *Client) Conference(ctx context.Context, id, consultID string) error {
	return c.act(ctx, ici.OpPhoneCallConference, c.user(), callArg(id), Arg{ici.ParamConsultPhoneCallID, consultID})
}

// LeaveConference leaves a conference that goes on (S10).
func (c *Client) LeaveConference(ctx context.Context, id string) error {
	return c.act(ctx, ici.OpPhoneCallLeaveConference, c.user(), callArg(id))
}

// SendDTMF sends tones 0-9 * # A-D into a call (S11).
func (c *Client) SendDTMF(ctx context.Context, id, digits string) error {
	return c.act(ctx, ici.OpPhoneCallSendDTMF, c.user(), callArg(id), Arg{ici.ParamDigits, digits})
}

// CallAttributes reads the state of one call.
func (c *Client) CallAttributes(ctx context.Context, id string) (ici.PhoneCall, error) {
	return result[ici.PhoneCall](ctx, c, ici.OpPhoneCallGetAttributes, callArg(id))
}

// PhoneCalls reads all calls of the agent.
func (c *Client) PhoneCalls(ctx context.Context) ([]ici.PhoneCall, error) {
	return results[ici.PhoneCall](ctx, c, ici.OpPhoneCallGetPhoneCalls, c.user())
}
