package ici

import (
	"os"
	"path/filepath"

	"github.com/connects-go/connects/internal/iciprofile"
	"github.com/pkg/errors"
)

// LineError says which line of an override file is wrong, and why. Find it with errors.As; a file with several wrong
// lines gives a joined error.
type LineError = iciprofile.LineError

// maxOverride is the size of an override file that is read.
const maxOverride = 1 << 20

// Override returns a copy of the profile with names changed by a text of statements, one per line: a keyword, what it
// concerns in names of the built-in profile, "=", the new name. # starts a comment, a word with blanks is "quoted".
//
//	service     IciUser = IciAgent                          # name of a service (in paths and logs)
//	namespace   IciUser = urn:example:agent
//	path        IciUser = /agent                            # below the path of the system
//	prefix      IciPhoneCall = tel-                         # our own item ids begin with it
//	op          IciUser.setCurrentWorkcenter = logonWorkcenter
//	alias       IciUser.subscribe = startEvents openEvents  # further names understood on receipt
//	result      IciUser.getAttributes = user                # child of the answer
//	param       appUrl = eventUrl                           # in every operation
//	param       IciUser.subscribe.appUrl = url              # in one operation
//	paramalias  appUrl = target                             # further name understood on receipt
//	member      PhoneCall.remoteNumbers = numbers
//	memberalias PhoneCall.remoteNumbers = phoneNumbers
//	code        Workmode.4 = 99
//	fault       destinationInvalid = DEST_INVALID           # detail/errorCode
//	wire        headerUser = userId                         # names of the envelope, see the Wire constants
//
// Names that were replaced are still understood on receipt where nothing else has taken them. Unknown names, names that
// XML does not allow, statements that stand twice and names that would stand for two things are errors; all are reported
// together, each a *[LineError] with a suggestion where a known name is near. file is used in these texts only.
func (p *Profile) Override(file, text string) (*Profile, error) {
	f, err := iciprofile.Override(p.file, file, text)
	if err != nil {
		return nil, err
	}
	return compile(f), nil
}

// OverrideFile is Override with the text of a file of at most 1 MiB.
func (p *Profile) OverrideFile(path string) (*Profile, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, errors.Wrap(err, "ici: override file")
	}
	if info.Size() > maxOverride {
		return nil, errors.Errorf("ici: override file %s is larger than %d bytes", filepath.Base(path), maxOverride)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, errors.Wrap(err, "ici: override file")
	}
	return p.Override(filepath.Base(path), string(text))
}
