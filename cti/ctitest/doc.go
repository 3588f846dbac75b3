// Package ctitest simulates a Cisco peripheral gateway with its CTI server: two sides, agents,
// phones, skill groups, queues and calls.
package ctitest
