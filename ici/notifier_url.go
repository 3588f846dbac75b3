package ici

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// maxEventURL is the longest event URL that is accepted, in bytes. SAP's session parts are some
// hundred bytes long (assumed).
const maxEventURL = 4096

// eventURL is an event URL taken apart just far enough to dial and to write the request line.
// Nothing is decoded, so that what SAP handed over reaches the wire unchanged.
type eventURL struct {
	https     bool
	host      string // lower case, without brackets and trailing dot
	port      string
	authority string // as written, for the Host header
	target    string // as written, from the path on
	addr      netip.Addr
}

// dial returns the address to connect to.
func (u *eventURL) dial() string { return net.JoinHostPort(u.host, u.port) }

// parseEventURL takes an event URL apart. It refuses what could change the meaning of the
// request (control characters, blanks, fragments) or name a place other than the one it seems to
// name (user information).
func parseEventURL(raw string) (eventURL, error) {
	var u eventURL
	fail := func(reason string) (eventURL, error) {
		return eventURL{}, &EventURLError{Host: u.host, Reason: reason, Err: ErrEventURL}
	}
	if len(raw) > maxEventURL {
		return fail("longer than " + strconv.Itoa(maxEventURL) + " bytes")
	}
	for i := range len(raw) {
		if c := raw[i]; c <= ' ' || c == 0x7f {
			return fail("blank or control character at byte " + strconv.Itoa(i))
		}
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	switch {
	case !ok:
		return fail("not an absolute URL")
	case strings.EqualFold(scheme, "http"):
		u.port = "80"
	case strings.EqualFold(scheme, "https"):
		u.port, u.https = "443", true
	default:
		return fail("scheme is neither http nor https")
	}
	if strings.ContainsRune(rest, '#') {
		return fail("has a fragment")
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	u.authority, u.target = rest[:end], rest[end:]
	if u.target == "" || u.target[0] == '?' {
		u.target = "/" + u.target
	}
	if strings.ContainsRune(u.authority, '@') {
		return fail("has user information")
	}
	host, port := u.authority, ""
	if strings.HasPrefix(host, "[") {
		in, after, ok := strings.Cut(host[1:], "]")
		if !ok {
			return fail("bad host")
		}
		a, err := netip.ParseAddr(in)
		if err != nil || a.Zone() != "" || !a.Is6() {
			return fail("bad host")
		}
		if after != "" && after[0] != ':' {
			return fail("bad host")
		}
		u.addr, host, port = a.Unmap(), in, after
	} else if i := strings.IndexByte(host, ':'); i >= 0 {
		host, port = host[:i], host[i:]
	}
	if port != "" {
		n, err := strconv.ParseUint(port[1:], 10, 16)
		if err != nil || n == 0 {
			return fail("bad port")
		}
		u.port = strconv.FormatUint(n, 10)
	}
	u.host = strings.ToLower(host)
	if !u.addr.IsValid() {
		if !hostName(strings.TrimSuffix(u.host, ".")) {
			u.host = ""
			return fail("bad host")
		}
		if a, err := netip.ParseAddr(u.host); err == nil {
			u.addr = a
		}
	}
	return u, nil
}

// hostName reports whether s is made of labels of letters, digits, '-' and '_'.
func hostName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	label := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.':
			if label == 0 {
				return false
			}
			label = 0
			continue
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_':
			label++
		default:
			return false
		}
	}
	return label > 0
}

// hostRule is one compiled entry of AllowHosts.
type hostRule struct {
	any    bool
	name   string // exact name, or what a name ends with when suffix is set
	suffix bool
	prefix netip.Prefix
	port   string // "" = every port
}

// allowList decides where events of one SAP system may go.
type allowList struct {
	rules []hostRule
	nets  []netip.Prefix
}

// newAllowList compiles patterns; without any it allows this machine only.
func newAllowList(patterns []string, nets []netip.Prefix) (*allowList, error) {
	if len(patterns) == 0 {
		patterns = []string{"localhost", "127.0.0.0/8", "::1"}
	}
	a := &allowList{nets: nets}
	for _, p := range patterns {
		r, err := parseHostRule(p)
		if err != nil {
			return nil, err
		}
		a.rules = append(a.rules, r)
	}
	return a, nil
}

// parseHostRule reads "host", "host:port", "*.domain", "*", an address or a network, each with
// an optional port ("[2001:db8::/32]:8000").
func parseHostRule(p string) (hostRule, error) {
	var r hostRule
	bad := func(reason string) (hostRule, error) {
		return hostRule{}, fmt.Errorf("ici: AllowHosts pattern %q: %s", p, reason)
	}
	host := strings.ToLower(p)
	if prefix, ok := parsePrefix(host); ok {
		r.prefix = prefix
		return r, nil
	}
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		n, err := strconv.ParseUint(host[i+1:], 10, 16)
		if err != nil || n == 0 {
			return bad("bad port")
		}
		host, r.port = host[:i], strconv.FormatUint(n, 10)
	}
	if in, ok := strings.CutPrefix(host, "["); ok {
		if host, ok = strings.CutSuffix(in, "]"); !ok {
			return bad("missing ]")
		}
	}
	if prefix, ok := parsePrefix(host); ok {
		r.prefix = prefix
		return r, nil
	}
	if host == "*" {
		r.any = true
		return r, nil
	}
	if after, ok := strings.CutPrefix(host, "*."); ok {
		host, r.suffix = after, true
	}
	host = strings.TrimSuffix(host, ".")
	if !hostName(host) {
		return bad("neither a host name, *.domain, *, an address nor a network")
	}
	r.name = host
	return r, nil
}

func parsePrefix(s string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), true
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	return netip.Prefix{}, false
}

// allows checks the host of an event URL when a subscription is made.
func (a *allowList) allows(u *eventURL) error {
	name := strings.TrimSuffix(u.host, ".")
	for i := range a.rules {
		r := &a.rules[i]
		if r.port != "" && r.port != u.port {
			continue
		}
		switch {
		case r.any:
			if !u.addr.IsValid() || a.reaches(u, u.addr) == nil {
				return nil
			}
		case r.prefix.IsValid():
			if u.addr.IsValid() && r.prefix.Contains(u.addr.Unmap()) {
				return nil
			}
		case u.addr.IsValid():
		case r.suffix:
			if strings.HasSuffix(name, "."+r.name) {
				return nil
			}
		case name == r.name:
			return nil
		}
	}
	return &EventURLError{Host: u.host, Reason: "host and port are not in the list of allowed hosts", Err: ErrHostNotAllowed}
}

// reaches checks the address that the host was resolved to, at the moment of dialling, so that a
// name that is allowed cannot be turned to a place that is not.
func (a *allowList) reaches(u *eventURL, ip netip.Addr) error {
	ip = ip.Unmap().WithZone("")
	if len(a.nets) > 0 {
		for _, p := range a.nets {
			if p.Contains(ip) {
				return nil
			}
		}
		return &EventURLError{Host: u.host, Reason: "resolves to an address outside the allowed networks", Err: ErrHostNotAllowed}
	}
	for i := range a.rules {
		r := &a.rules[i]
		if r.prefix.IsValid() && (r.port == "" || r.port == u.port) && r.prefix.Contains(ip) {
			return nil
		}
	}
	if ip.IsLoopback() && strings.TrimSuffix(u.host, ".") == "localhost" {
		return nil
	}
	if ip.IsLoopback() || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return &EventURLError{Host: u.host, Reason: "resolves to a loopback, link-local or multicast address", Err: ErrHostNotAllowed}
	}
	return nil
}
