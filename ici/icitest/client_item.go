package icitest

import (
	"context"

	"github.com/connects-go/connects/ici"
)

func chatArg(id string) Arg    { return Arg{ici.ParamChatSessionID, id} }
func actionArg(id string) Arg  { return Arg{ici.ParamActionSessionID, id} }
func messageArg(id string) Arg { return Arg{ici.ParamMessageID, id} }

// AcceptChat takes an offered chat (S13).
func (c *Client) AcceptChat(ctx context.Context, id string) error {
	return c.act(ctx, ici.OpChatAccept, c.user(), chatArg(id))
}

// RejectChat refuses an offered chat.
func (c *Client) RejectChat(ctx context.Context, id string) error {
	return c.act(ctx, ici.OpChatReject, c.user(), chatArg(id))
}

// PostChat sends a line.
func (c *Client) PostChat(ctx context.Context, id, text string) error {
	return c.act(ctx, ici.OpChatPost, c.user(), chatArg(id), Arg{ici.ParamContentText, text})
}

// TypingChat tells that the agent types, or stopped.
func (c *Client) TypingChat(ctx context.Context, id string, active bool) error {
	return c.act(ctx, ici.OpChatTyping, c.user(), chatArg(id), Arg{ici.ParamActive, active})
}

// TransferChat transfers a chat to an agent or queue.
func (c *Client) TransferChat(ctx context.Context, id, destination string) error {
	return c.act(ctx, ici.OpChatTransfer, c.user(), chatArg(id), Arg{ici.ParamDestination, destination})
}

// InviteChat asks a second agent to join.
func (c *Client) InviteChat(ctx context.Context, id, destination string) error {
	return c.act(ctx, ici.OpChatInvite, c.user(), chatArg(id), Arg{ici.ParamDestination, destination})
}

// LeaveChat leaves a chat that goes on.
func (c *Client) LeaveChat(ctx context.Context, id string) error {
	return c.act(ctx, ici.OpChatLeave, c.user(), chatArg(id))
}

// EndChat closes a chat for everyone.
func (c *Client) EndChat(ctx context.Context, id string) error {
	return c.act(ctx, ici.OpChatEnd, c.user(), chatArg(id))
}

// ChatPostings reads the history of a chat.
func (c *Client) ChatPostings(ctx context.Context, id string) ([]ici.ChatPosting, error) {
	return results[ici.ChatPosting](ctx, c, ici.OpChatGetPostings, chatArg(id))
}

// ChatAttributes reads the state of one chat.
func (c *Client) ChatAttributes(ctx context.Context, id string) (ici.ChatSession, error) {
	return result[ici.ChatSession](ctx, c, ici.OpChatGetAttributes, chatArg(id))
}

// ChatSessions reads all chats of the agent.
func (c *Client) ChatSessions(ctx context.Context) ([]ici.ChatSession, error) {
	return results[ici.ChatSession](ctx, c, ici.OpChatLineGetAttributes, c.user())
}

// RouteSpec is a business item that SAP asks the connector to route (S12).
type RouteSpec struct {
	ID       string          // actionItemId, at most 32 characters
	Scenario ici.TextElement // routing scenario
	Data     ici.ActionItem
	Users    []string // preferred or excluded agents
	AppID    string   // where events about the item go besides the agent
	AppURL   string
}

// RouteItem asks for an agent for an item (S12); normally sent by a background user.
func (c *Client) RouteItem(ctx context.Context, spec RouteSpec) error {
	return c.act(ctx, ici.OpActionItemRoute,
		Arg{ici.ParamActionItemID, spec.ID}, Arg{ici.ParamScenarioID, spec.Scenario}, Arg{ici.ParamItemData, spec.Data},
		Arg{ici.ParamUserIDs, append([]string{}, spec.Users...)}, Arg{ici.ParamAppID, spec.AppID}, Arg{ici.ParamAppURL, spec.AppURL})
}

// CancelItem takes a queued item out.
func (c *Client) CancelItem(ctx context.Context, itemID string) error {
	return c.act(ctx, ici.OpActionItemCancel, Arg{ici.ParamActionItemID, itemID})
}

// AcceptItem takes an offered action item.
func (c *Client) AcceptItem(ctx context.Context, sessionID string) error {
	return c.act(ctx, ici.OpActionItemAccept, c.user(), actionArg(sessionID))
}

// RejectItem refuses an offered action item.
func (c *Client) RejectItem(ctx context.Context, sessionID string) error {
	return c.act(ctx, ici.OpActionItemReject, c.user(), actionArg(sessionID))
}

// RerouteItem sends an action item on; an empty destination means the same scenario again.
func (c *Client) RerouteItem(ctx context.Context, sessionID, destination string) error {
	return c.act(ctx, ici.OpActionItemReroute, c.user(), actionArg(sessionID), Arg{ici.ParamDestination, destination})
}

// CompleteItem tells that the work on an action item is done.
func (c *Client) CompleteItem(ctx context.Context, sessionID string) error {
	return c.act(ctx, ici.OpActionItemComplete, c.user(), actionArg(sessionID))
}

// ItemAttributes reads the record of an action item.
func (c *Client) ItemAttributes(ctx context.Context, itemID string) (ici.ActionItem, error) {
	return result[ici.ActionItem](ctx, c, ici.OpActionItemGetAttributes, Arg{ici.ParamActionItemID, itemID})
}

// AcceptMessage takes an offered e-mail.
func (c *Client) AcceptMessage(ctx context.Context, id string) error {
	return c.act(ctx, ici.OpMessageAccept, c.user(), messageArg(id))
}

// RejectMessage refuses an offered e-mail.
func (c *Client) RejectMessage(ctx context.Context, id string) error {
	return c.act(ctx, ici.OpMessageReject, c.user(), messageArg(id))
}

// ForwardMessage sends an e-mail to an agent or queue.
func (c *Client) ForwardMessage(ctx context.Context, id, destination string) error {
	return c.act(ctx, ici.OpMessageForward, c.user(), messageArg(id), Arg{ici.ParamDestination, destination})
}

// CompleteMessage tells that the work on an e-mail is done.
func (c *Client) CompleteMessage(ctx context.Context, id string) error {
	return c.act(ctx, ici.OpMessageComplete, c.user(), messageArg(id))
}

// DeleteMessage removes an e-mail.
func (c *Client) DeleteMessage(ctx context.Context, id string) error {
	return c.act(ctx, ici.OpMessageDelete, c.user(), messageArg(id))
}

// MessageAttributes reads the record of an e-mail.
func (c *Client) MessageAttributes(ctx context.Context, id string) (ici.Message, error) {
	return result[ici.Message](ctx, c, ici.OpMessageGetAttributes, messageArg(id))
}

// FolderMessages reads the e-mails of a folder.
func (c *Client) FolderMessages(ctx context.Context, folder string) ([]ici.Message, error) {
	return results[ici.Message](ctx, c, ici.OpFolderGetMessages, Arg{ici.ParamFolder, folder})
}

// Folders reads the folders of the agent.
func (c *Client) Folders(ctx context.Context) ([]ici.Folder, error) {
	return results[ici.Folder](ctx, c, ici.OpFolderGetFolders, c.user())
}
