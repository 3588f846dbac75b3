// Package connects joins SAP CRM with Cisco Unified Contact Center Enterprise.
//
// The package composes protocol packages into services: a Node starts,
// watches and stops the components that it is given.
package connects
