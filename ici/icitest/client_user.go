package icitest

import (
	"context"

	"github.com/connects-go/connects/ici"
)

// ExchangeProductInformation is the hand-shake (S01).
func (c *Client) ExchangeProductInformation(ctx context.Context) (ici.ProductInformation, error) {
	return result[ici.ProductInformation](ctx, c, ici.OpSystemExchangeProductInformation, Arg{ici.ParamApplicationProduct, ici.ProductInformation{
		Vendor: "SAP", Product: "SAP CRM simulator", Version: "7.0", ICIVersion: c.sap.profile.Wire(ici.WireICIVersion),
	}})
}

// WorkcenterCapability asks whether the agent has to name a work center (S01).
func (c *Client) WorkcenterCapability(ctx context.Context) (ici.WorkcenterCapability, error) {
	return result[ici.WorkcenterCapability](ctx, c, ici.OpSystemGetWorkcenterCapability, c.user())
}

// PresenceQueues asks for the queues of a channel (S14).
func (c *Client) PresenceQueues(ctx context.Context, channel ici.Code) ([]ici.Queue, error) {
	return results[ici.Queue](ctx, c, ici.OpSystemGetPresenceQueueInfo, Arg{ici.ParamChannel, c.sap.profile.Code(channel)})
}

// Attributes asks for the attributes of the user; the first request of an IC WebClient (S02).
func (c *Client) Attributes(ctx context.Context) (ici.User, error) {
	return result[ici.User](ctx, c, ici.OpUserGetAttributes, c.user())
}

// SubscribeURL hands over an application id and an event URL.
func (c *Client) SubscribeURL(ctx context.Context, appID, appURL string) error {
	return c.act(ctx, ici.OpUserSubscribe, Arg{ici.ParamAppID, appID}, Arg{ici.ParamAppURL, appURL}, c.user())
}

// UnsubscribeID ends a subscription.
func (c *Client) UnsubscribeID(ctx context.Context, appID string) error {
	return c.act(ctx, ici.OpUserUnsubscribe, Arg{ici.ParamAppID, appID}, c.user())
}

// SetWorkcenter logs the agent on at a work center, a text that only the connector understands (S02).
func (c *Client) SetWorkcenter(ctx context.Context, text string) (ici.User, error) {
	return result[ici.User](ctx, c, ici.OpUserSetCurrentWorkcenter, c.user(), Arg{ici.ParamWorkcenterID, text})
}

// SetWorkmode sets one of the fixed work modes (S03).
func (c *Client) SetWorkmode(ctx context.Context, mode ici.Code) error {
	return c.SetWorkmodeID(ctx, c.sap.profile.Code(mode))
}

// SetWorkmodeID sets a work mode by its id, for example "1001" for the first own not-ready reason (S03).
func (c *Client) SetWorkmodeID(ctx context.Context, id string) error {
	return c.act(ctx, ici.OpUserSetCurrentWorkmode, c.user(), Arg{ici.ParamWorkmodeID, id})
}

// SetQueues sets the queues in which the agent works.
func (c *Client) SetQueues(ctx context.Context, ids ...string) error {
	return c.act(ctx, ici.OpUserSetCurrentQueues, c.user(), Arg{ici.ParamQueueIDs, append([]string{}, ids...)})
}

// SetChannels sets the channels in which the agent works.
func (c *Client) SetChannels(ctx context.Context, channels ...ici.Code) error {
	ids := []string{}
	for _, x := range channels {
		ids = append(ids, c.sap.profile.Code(x))
	}
	return c.act(ctx, ici.OpUserSetCurrentChannels, c.user(), Arg{ici.ParamChannels, ids})
}

// Presence searches agents (S14): "" and "*" give all that are logged on, two words are combined with AND.
func (c *Client) Presence(ctx context.Context, term string) ([]ici.PresenceInfo, error) {
	return results[ici.PresenceInfo](ctx, c, ici.OpUserGetPresence, Arg{ici.ParamSearchTerm, term})
}

// PresenceOf gives the presence of certain users.
func (c *Client) PresenceOf(ctx context.Context, users ...string) ([]ici.PresenceInfo, error) {
	return results[ici.PresenceInfo](ctx, c, ici.OpUserGetPresence, Arg{ici.ParamUserIDs, append([]string{}, users...)})
}

// SetAttachedData stores an ItemAttachedData document with an item.
func (c *Client) SetAttachedData(ctx context.Context, itemID, document string) error {
	return c.act(ctx, ici.OpItemSetAttachedData, Arg{ici.ParamItemID, itemID}, Arg{ici.ParamAttachedData, document})
}

// GetAttachedData reads the ItemAttachedData document of an item.
func (c *Client) GetAttachedData(ctx context.Context, itemID string) (string, error) {
	return c.text(ctx, ici.OpItemGetAttachedData, Arg{ici.ParamItemID, itemID})
}

// RequireWrapUp asks for wrap-up time after an item, or takes that back.
func (c *Client) RequireWrapUp(ctx context.Context, itemID string, required bool) error {
	return c.act(ctx, ici.OpItemWrapUpRequired, Arg{ici.ParamItemID, itemID}, Arg{ici.ParamRequired, required})
}

// EndWrapUp ends the wrap-up of an item.
func (c *Client) EndWrapUp(ctx context.Context, itemID string) error {
	return c.act(ctx, ici.OpItemWrapUpEnded, Arg{ici.ParamItemID, itemID})
}

// SubscribeMonitor starts monitoring: figures in the given form are sent to the application id (S15).
func (c *Client) SubscribeMonitor(ctx context.Context, appID, appURL, form string) error {
	return c.act(ctx, ici.OpMonitorSubscribe, Arg{ici.ParamAppID, appID}, Arg{ici.ParamAppURL, appURL}, Arg{ici.ParamForm, form})
}

// UnsubscribeMonitor ends monitoring.
func (c *Client) UnsubscribeMonitor(ctx context.Context, appID string) error {
	return c.act(ctx, ici.OpMonitorUnsubscribe, Arg{ici.ParamAppID, appID})
}

// MonitorStructure reads the catalogue of available figures.
func (c *Client) MonitorStructure(ctx context.Context) (string, error) {
	return c.text(ctx, ici.OpMonitorGetStructure)
}

// MonitorData reads figures once.
func (c *Client) MonitorData(ctx context.Context, form string) (string, error) {
	return c.text(ctx, ici.OpMonitorGetData, Arg{ici.ParamForm, form})
}
