// Package crm is the connector's heart: it joins the agents and calls of a
// Cisco peripheral (package cti) with the users and items of SAP's Interaction
// Center (package ici).
//
// # Who owns what
//
// Every agent and every call belongs to one serial executor, the connector's
// strand. A CTI event, a request of SAP, a timer or the answer of the switch is
// a function that the strand runs; functions run one after the other in the
// order in which they were handed over, on the goroutine that handed the first
// of them over. So a CTI event that finds the strand idle is worked off by the
// goroutine of the CTI session itself, and the only hop on the way to SAP is the
// one into the notifier. Nothing that runs on the strand waits for anything: the
// switch is asked on goroutines of their own that hand their answer back, SAP
// is told through a queue, the store is written behind.
//
// No agent has a goroutine. A goroutine exists for each request that the switch
// has not answered yet; requests of one agent are sent one after the other.
package crm
