package outboundcsv

import "strings"

// Code says what happened to a row or a list. Codes that begin with E_ reject
// the row (or the list), codes that begin with W_ only tell.
type Code string

// Codes of rows. The rule numbers are those of the package documentation.
const (
	AccountMissing Code = "E_ACCOUNT_MISSING"     // rule 3: the id is empty
	AccountInvalid Code = "E_ACCOUNT_INVALID"     // rule 3: the id has a character that is not allowed
	AccountTooLong Code = "E_ACCOUNT_TOO_LONG"    // rule 3: the id is longer than the column
	NoPhone        Code = "E_NO_PHONE"            // rule 4: no valid number is left
	Encoding       Code = "E_ENCODING"            // rule 7: a character is outside the encoding
	ZoneUnknown    Code = "E_TZ_UNKNOWN"          // rule 9: no such time zone
	ZoneRange      Code = "E_TZ_RANGE"            // rule 9: bias outside -780 to 720
	ZoneDST        Code = "E_TZ_DST_WITHOUT_BIAS" // rule 9: dst without bias
	RowTooLong     Code = "E_ROW_TOO_LONG"        // rule 10: more than 1,024 characters
	DuplicateID    Code = "W_DUPLICATE_ID"        // rule 2: the id came more than once, the later content won
	PhoneInvalid   Code = "W_PHONE_INVALID"       // rule 4: a number was dropped, it has other characters
	PhoneTooLong   Code = "W_PHONE_TOO_LONG"      // rule 4: a number was dropped, it is too long
	PhoneDuplicate Code = "W_DUP_PHONE"           // rule 4: a number was dropped, the row has it already
	PhonesDropped  Code = "W_PHONES_DROPPED"      // rule 4: more numbers than phone columns
	ExtIgnored     Code = "W_EXT_IGNORED"         // rule 5: an extension was dropped
	Sanitized      Code = "W_SANITIZED"           // rule 6: a character was replaced
	Charset        Code = "W_CHARSET"             // rule 7: a character outside the encoding became ?
	Truncated      Code = "W_TRUNCATED"           // rule 8: a value was cut
)

// Codes of lists.
const (
	AllRejected Code = "E_ALL_REJECTED" // rule 12: rows came, none was good
	EmptyList   Code = "W_EMPTY_LIST"   // rule 13: nothing to place, no file was written
	Config      Code = "E_CONFIG"       // the profile is wrong; see ProfileError
)

// Rejects reports whether the code rejects.
func (c Code) Rejects() bool { return strings.HasPrefix(string(c), "E_") }

// codeSet has one bit for each code of rows, in the order of their names.
type codeSet uint32

const (
	accountInvalid codeSet = 1 << iota
	accountMissing
	accountTooLong
	encodingLost
	noPhone
	rowTooLong
	zoneDST
	zoneRange
	zoneUnknown
	charset // the first that only warns
	duplicateID
	phoneDuplicate
	extIgnored
	phonesDropped
	phoneInvalid
	phoneTooLong
	sanitized
	truncated
	allCodes = 1<<iota - 1
)

// rowCodes are the codes of the bits.
var rowCodes = [...]Code{AccountInvalid, AccountMissing, AccountTooLong, Encoding, NoPhone, RowTooLong, ZoneDST, ZoneRange, ZoneUnknown,
	Charset, DuplicateID, PhoneDuplicate, ExtIgnored, PhonesDropped, PhoneInvalid, PhoneTooLong, Sanitized, Truncated}

func (s *codeSet) add(c codeSet) { *s |= c }

func (s codeSet) rejects() bool { return s&(charset-1) != 0 }

// list returns the codes, sorted; nil for none.
func (s codeSet) list() []Code {
	var out []Code
	for i, c := range rowCodes {
		if s&(1<<i) != 0 {
			out = append(out, c)
		}
	}
	return out
}
