// Package connects joins SAP CRM (Interaction Center WebClient) with Cisco
// Unified Contact Center Enterprise.
//
// The package composes: a [Node] starts, watches and stops components, and one
// constructor per service of the product builds such a component from the protocol
// packages ([CRMConnector]). The protocols themselves are importable: package cti
// (CTI server), ici (SAP), ds104 (data store), each with a simulator below it.
//
//	node := connects.NewNode(&connects.Options{Logger: logger})
//	err := node.Add("crm", connects.CRMConnector(&connects.CRMConfig{ ... }))
//	...
//	err = node.Run(ctx) // until ctx ends or a component fails
//
// # Life cycle
//
// Three things that are easily mixed up are kept apart. [Phase] is the life of the
// object: new, starting, running, stopping, stopped or failed; it never goes back,
// a restart is a new node. [State] is what the service does in its redundancy
// group, as the product's manual names it: ACTIVE while the peer uses this instance,
// INACTIVE while it uses the other one, IDLE while waiting to take over, STOPPED in
// every phase but running. [Condition] is how well it works: ok, degraded or
// failing. A connector with one of two links down is ACTIVE and degraded.
//
// Components start in dependency order and stop in reverse. Start returns when
// listeners are bound; links to neighbours come up in the background and show as
// degraded meanwhile. A component that cannot go on, or panics, calls Host.Fail: the
// node stops and Run returns the reason.
//
// # Health
//
// [Node.Handler] serves what a proxy between SAP and two connectors probes: 200
// whenever this instance may get traffic, also when it is INACTIVE or IDLE, because
// a proxy could never fail over to it otherwise; 503 when it starts, stops or fails.
// [Node.MetricsHandler] serves Prometheus metrics from a registry of the node's own.
//
// # Errors
//
// Start, Stop and Run join everything that went wrong; errors.As finds each
// [*ComponentError] (which component, what it did) and [*ConfigError] (which setting).
//
// # Concurrency
//
// All methods of [Node] and of the [Host] that components get are safe for
// concurrent use. [Node.Watch] follows changes without ever slowing them down.
package connects
