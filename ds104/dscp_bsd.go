//go:build unix && !linux

package ds104

// ipv6TrafficClass is IPV6_TCLASS.
const ipv6TrafficClass = 0x3d
