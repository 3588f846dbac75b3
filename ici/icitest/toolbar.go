package icitest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/connects-go/connects/ici"
)

// ErrNotOffered: the toolbar does not offer that button now.
var ErrNotOffered = errors.New("icitest: not offered")

// ToolbarError says which button was not there. It wraps ErrNotOffered.
type ToolbarError struct {
	User    string
	Item    string // id of the item, "" for a button of the user
	Button  string // id of the capability
	Offered string // ids of what is there
}

// Error names the item, the button and those that there are.
func (e *ToolbarError) Error() string {
	return fmt.Sprintf("icitest: %s: item %q has no button %s, only: %s", e.User, e.Item, e.Button, e.Offered)
}

// Unwrap returns ErrNotOffered.
func (e *ToolbarError) Unwrap() error { return ErrNotOffered }

// Toolbar returns the ids of the capabilities of a call, chat or action item, nil when it is unknown.
func (x *Session) Toolbar(itemID string) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	list, _ := x.capabilities(itemID)
	var out []string
	for _, e := range list {
		out = append(out, e.ID)
	}
	return out
}

// capabilities finds the capability list of an item. The lock is held.
func (x *Session) capabilities(id string) ([]ici.TextElement, bool) {
	for i := range x.state.Calls {
		if x.state.Calls[i].ID == id {
			return x.state.Calls[i].CapabilityList, true
		}
	}
	for i := range x.state.Chats {
		if x.state.Chats[i].ChatSessionID == id {
			return x.state.Chats[i].CapabilityList, true
		}
	}
	for i := range x.state.Items {
		if x.state.Items[i].Session.ActionSessionID == id {
			return x.state.Items[i].Session.CapabilityList, true
		}
	}
	return nil, false
}

// press checks that a button is there, on one of the items.
func (x *Session) press(button ici.Code, items ...string) error {
	want := x.sap.profile.Code(button)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.state.Ended {
		return ErrSessionEnded
	}
	has := func(list []ici.TextElement) bool {
		return slices.ContainsFunc(list, func(e ici.TextElement) bool { return e.ID == want })
	}
	if len(items) == 0 {
		if has(x.state.User.CapabilityList) {
			return nil
		}
		return &ToolbarError{User: x.User, Button: want, Offered: ids(x.state.User.CapabilityList)}
	}
	var offered []string
	for _, id := range items {
		list, known := x.capabilities(id)
		switch {
		case has(list):
			return nil
		case known:
			offered = append(offered, ids(list))
		default:
			offered = append(offered, "(unknown item)")
		}
	}
	return &ToolbarError{User: x.User, Item: items[0], Button: want, Offered: strings.Join(offered, ", ")}
}

// SetWorkmode sets one of the fixed work modes.
func (x *Session) SetWorkmode(ctx context.Context, mode ici.Code) error {
	return x.SetWorkmodeID(ctx, x.sap.profile.Code(mode))
}

// SetWorkmodeID sets a work mode by its id, which must be in the drop-down of the user.
func (x *Session) SetWorkmodeID(ctx context.Context, id string) error {
	x.mu.Lock()
	list, ended := x.state.User.WorkmodeList, x.state.Ended
	x.mu.Unlock()
	if ended {
		return ErrSessionEnded
	}
	p := x.sap.profile
	fixed := id == p.Code(ici.WorkmodeLoggedOff) || id == p.Code(ici.WorkmodeReady) || id == p.Code(ici.WorkmodeNotReady)
	if !fixed && !slices.ContainsFunc(list, func(e ici.TextElement) bool { return e.ID == id }) {
		return &ToolbarError{User: x.User, Button: "work mode " + id, Offered: ids(list)}
	}
	return x.Client.SetWorkmodeID(ctx, id)
}

// MakeCall starts an outbound call.
func (x *Session) MakeCall(ctx context.Context, destination, attachedData string) (ici.PhoneCall, error) {
	if err := x.press(ici.CapabilityMakeCall); err != nil {
		return ici.PhoneCall{}, err
	}
	c, err := x.Client.MakeCall(ctx, destination, attachedData)
	if err == nil {
		x.learn(&c)
	}
	return c, err
}

// AcceptCall answers an offered call.
func (x *Session) AcceptCall(ctx context.Context, id string) error {
	if err := x.press(ici.CapabilityAccept, id); err != nil {
		return err
	}
	return x.Client.AcceptCall(ctx, id)
}

// RejectCall refuses an offered call.
func (x *Session) RejectCall(ctx context.Context, id string) error {
	if err := x.press(ici.CapabilityReject, id); err != nil {
		return err
	}
	return x.Client.RejectCall(ctx, id)
}

// DropCall hangs up.
func (x *Session) DropCall(ctx context.Context, id string) error {
	if err := x.press(ici.CapabilityDrop, id); err != nil {
		return err
	}
	return x.Client.DropCall(ctx, id)
}

// HoldCall puts a call on hold.
func (x *Session) HoldCall(ctx context.Context, id string) error {
	if err := x.press(ici.CapabilityHold, id); err != nil {
		return err
	}
	return x.Client.HoldCall(ctx, id)
}

// RetrieveCall takes a call back from hold.
func (x *Session) RetrieveCall(ctx context.Context, id string) error {
	if err := x.press(ici.CapabilityRetrieve, id); err != nil {
		return err
	}
	return x.Client.RetrieveCall(ctx, id)
}

// ToggleCalls swaps the active and the held call.
func (x *Session) ToggleCalls(ctx context.Context, activeID, heldID string) error {
	if err := x.press(ici.CapabilityToggle, activeID, heldID); err != nil {
		return err
	}
	return x.Client.ToggleCalls(ctx, activeID, heldID)
}

// Consult holds a call and starts an enquiry call, which is returned.
func (x *Session) Consult(ctx context.Context, id, destination string) (ici.PhoneCall, error) {
	if err := x.press(ici.CapabilityConsult, id); err != nil {
		return ici.PhoneCall{}, err
	}
	c, err := x.Client.Consult(ctx, id, destination)
	if err == nil {
		x.learn(&c)
	}
	return c, err
}

// WarmTransfer connects the held and the consulted party.
func (x *Session) WarmTransfer(ctx context.Context, id, consultID string) error {
	if err := x.press(ici.CapabilityWarmTransfer, consultID, id); err != nil {
		return err
	}
	return x.Client.WarmTransfer(ctx, id, consultID)
}

// BlindTransfer transfers a call without consultation.
func (x *Session) BlindTransfer(ctx context.Context, id, destination string) error {
	if err := x.press(ici.CapabilityBlindTransfer, id); err != nil {
		return err
	}
	return x.Client.BlindTransfer(ctx, id, destination)
}

// Conference joins the held and the consulted party.
func (x *Session) Conference(ctx context.Context, id, consultID string) error {
	if err := x.press(ici.CapabilityConference, consultID, id); err != nil {
		return err
	}
	return x.Client.Conference(ctx, id, consultID)
}

// LeaveConference leaves a conference that goes on.
func (x *Session) LeaveConference(ctx context.Context, id string) error {
	if err := x.press(ici.CapabilityLeaveConference, id); err != nil {
		return err
	}
	return x.Client.LeaveConference(ctx, id)
}

// SendDTMF sends tones into a call.
func (x *Session) SendDTMF(ctx context.Context, id, digits string) error {
	if err := x.press(ici.CapabilitySendDTMF, id); err != nil {
		return err
	}
	return x.Client.SendDTMF(ctx, id, digits)
}

// AcceptChat takes an offered chat.
func (x *Session) AcceptChat(ctx context.Context, id string) error {
	if err := x.press(ici.CapabilityAccept, id); err != nil {
		return err
	}
	return x.Client.AcceptChat(ctx, id)
}

// RejectChat refuses an offered chat.
func (x *Session) RejectChat(ctx context.Context, id string) error {
	if err := x.press(ici.CapabilityReject, id); err != nil {
		return err
	}
	return x.Client.RejectChat(ctx, id)
}

// PostChat sends a line.
func (x *Session) PostChat(ctx context.Context, id, text string) error {
	if err := x.press(ici.CapabilityPost, id); err != nil {
		return err
	}
	return x.Client.PostChat(ctx, id, text)
}

// TransferChat transfers a chat.
func (x *Session) TransferChat(ctx context.Context, id, destination string) error {
	if err := x.press(ici.CapabilityTransfer, id); err != nil {
		return err
	}
	return x.Client.TransferChat(ctx, id, destination)
}

// InviteChat asks a second agent to join.
func (x *Session) InviteChat(ctx context.Context, id, destination string) error {
	if err := x.press(ici.CapabilityInvite, id); err != nil {
		return err
	}
	return x.Client.InviteChat(ctx, id, destination)
}

// LeaveChat leaves a chat that goes on.
func (x *Session) LeaveChat(ctx context.Context, id string) error {
	if err := x.press(ici.CapabilityLeave, id); err != nil {
		return err
	}
	return x.Client.LeaveChat(ctx, id)
}

// EndChat closes a chat for everyone.
func (x *Session) EndChat(ctx context.Context, id string) error {
	if err := x.press(ici.CapabilityEnd, id); err != nil {
		return err
	}
	return x.Client.EndChat(ctx, id)
}

// AcceptItem takes an offered action item.
func (x *Session) AcceptItem(ctx context.Context, id string) error {
	if err := x.press(ici.CapabilityAccept, id); err != nil {
		return err
	}
	return x.Client.AcceptItem(ctx, id)
}

// RejectItem refuses an offered action item.
func (x *Session) RejectItem(ctx context.Context, id string) error {
	if err := x.press(ici.CapabilityReject, id); err != nil {
		return err
	}
	return x.Client.RejectItem(ctx, id)
}

// RerouteItem sends an action item on.
func (x *Session) RerouteItem(ctx context.Context, id, destination string) error {
	if err := x.press(ici.CapabilityReroute, id); err != nil {
		return err
	}
	return x.Client.RerouteItem(ctx, id, destination)
}

// CompleteItem tells that the work on an action item is done.
func (x *Session) CompleteItem(ctx context.Context, id string) error {
	if err := x.press(ici.CapabilityComplete, id); err != nil {
		return err
	}
	return x.Client.CompleteItem(ctx, id)
}
