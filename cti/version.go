package cti

import (
	"fmt"

	"github.com/connects-go/connects/internal/wire"
)

// Version is a version of the CTI Server protocol. A session has one version,
// named by the client in OPEN_REQ; it decides the layout of every message of
// the session, OPEN_REQ and OPEN_CONF included.
type Version uint8

// The versions that this package knows, with the release that brought them.
// Layouts of 21 and 22 follow from change lists (assumed).
const (
	Version13 Version = 13 // ICM 7.0
	Version14 Version = 14 // 8.0
	Version15 Version = 15 // 8.5
	Version16 Version = 16 // 9.0
	Version17 Version = 17 // 9.0 and 10.0, internal
	Version18 Version = 18 // 10.0, internal
	Version19 Version = 19 // 10.x
	Version20 Version = 20 // 11.5: tags and lengths of two bytes
	Version21 Version = 21 // 11.6 (assumed)
	Version22 Version = 22 // 12.0 (assumed)
	Version23 Version = 23 // 12.5
	Version24 Version = 24 // 12.6
	Version25 Version = 25 // 15.0

	// MinVersion and MaxVersion are the oldest and the newest known version.
	MinVersion = Version13
	MaxVersion = Version25
)

// Largest messages in bytes, header included. Sources: message reference
// guides for versions 15, 17, 20 (4329) and 23 to 25 (12500). Assumed: 4329
// for 13 and 14, 12500 for 21 and 22, which no guide that we have seen covers.
const (
	maxMessageOld = 4329
	maxMessageNew = 12500
)

// Valid reports whether v is between MinVersion and MaxVersion.
func (v Version) Valid() bool { return v >= MinVersion && v <= MaxVersion }

// MaxMessageSize returns the size in bytes, header included, of the largest
// message that a session of this version may carry: 4329 up to version 20,
// 12500 from version 21 on.
func (v Version) MaxMessageSize() int {
	if v <= Version20 {
		return maxMessageOld
	}
	return maxMessageNew
}

// MaxBodySize returns the size in bytes of the largest message body:
// MaxMessageSize without the header.
func (v Version) MaxBodySize() int { return v.MaxMessageSize() - wire.HeaderSize }

// TagSize returns the number of bytes that the tag of a floating field takes,
// and its length as well: 1 up to version 19, 2 from version 20 on.
func (v Version) TagSize() int { return int(v.width()) }

func (v Version) width() wire.Width {
	if v < Version20 {
		return wire.Narrow
	}
	return wire.Wide
}

// String returns the number of the version, for example "24".
func (v Version) String() string { return fmt.Sprintf("%d", uint8(v)) }
