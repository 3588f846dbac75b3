package outboundcsv

import (
	"strconv"
	"sync"
	"time"
	_ "time/tzdata" // Windows hosts have no zone data
)

// Bias range of the outbound interface in minutes (Developer Reference, Outbound API).
const (
	minBias = -780
	maxBias = 720
)

// ZoneBias computes the bias (UTC minus local standard time, in minutes) and
// whether daylight saving is observed, for the IANA zone in the given year. The
// smaller offset of 1 January and 1 July is the standard one: that holds for
// zones that are coded with negative daylight saving and for those that
// interrupt it.
func ZoneBias(zone string, year int) (bias int, dst bool, err error) {
	if zone == "Local" { // would be the zone of this machine
		return 0, false, &time.ParseError{Message: "unknown time zone"}
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return 0, false, err
	}
	_, jan := time.Date(year, time.January, 1, 12, 0, 0, 0, loc).Zone()
	_, jul := time.Date(year, time.July, 1, 12, 0, 0, 0, loc).Zone()
	return -min(jan, jul) / 60, jan != jul, nil
}

// zones remembers computed zones for one list.
type zones struct {
	year int
	mu   sync.Mutex
	m    map[string]zone
}

type zone struct {
	bias int
	dst  bool
	ok   bool
}

const maxZones = 1024 // there are some 600 names; more is not a list but an attack

func (z *zones) lookup(name string) zone {
	z.mu.Lock()
	defer z.mu.Unlock()
	if v, ok := z.m[name]; ok {
		return v
	}
	bias, dst, err := ZoneBias(name, z.year)
	v := zone{bias: bias, dst: dst, ok: err == nil}
	if len(z.m) < maxZones {
		z.m[name] = v
	}
	return v
}

// times computes the two time-zone values of a row (rule 9).
func (z *zones) times(c *PlannedCall, codes *codeSet) (bias, dst string) {
	var v zone
	switch {
	case c.Bias != nil:
		v = zone{bias: *c.Bias, dst: c.DST != nil && *c.DST, ok: true}
	case c.TimeZone != "":
		if v = z.lookup(c.TimeZone); !v.ok {
			codes.add(zoneUnknown)
			return "", ""
		}
	case c.DST != nil:
		codes.add(zoneDST)
		return "", ""
	default:
		return "", ""
	}
	if v.bias < minBias || v.bias > maxBias {
		codes.add(zoneRange)
		return "", ""
	}
	return strconv.Itoa(v.bias), strconv.FormatBool(v.dst)
}
