package outboundcsv

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Profile says what a file looks like. Its JSON form has the field names in
// lower camel case; [ParseProfile] fills in the defaults.
type Profile struct {
	Format       Format     `json:"format"`       // default comma
	Delimiter    string     `json:"delimiter"`    // one character, for format custom; default ","
	Header       bool       `json:"header"`       // column names in the first row; default false
	Encoding     string     `json:"encoding"`     // windows-1252 (default), iso-8859-1, ascii, utf-8, utf-16le
	LineEnd      string     `json:"lineEnd"`      // crlf (default) or lf
	Columns      []Column   `json:"columns"`      // default AccountNumber, FirstName, LastName, Phone01 to Phone03
	Phone        PhoneRules `json:"phone"`        // how numbers become dialable
	Unmappable   string     `json:"onUnmappable"` // replace (default) or reject: characters outside the encoding
	EmptyList    string     `json:"emptyList"`    // skip (default) or write: a list without rows
	Delete       string     `json:"deletePolicy"` // pending (default), rewrite or api
	FinalLineEnd bool       `json:"finalLineEnd"` // line end after the last row; default true
}

// Format is how values are put into a row.
type Format string

// Formats that an import rule reads, and Custom for the REST interface.
const (
	Comma  Format = "comma"  // values between commas
	Pipe   Format = "pipe"   // values between vertical bars
	Fixed  Format = "fixed"  // blanks up to the width of each column
	Custom Format = "custom" // values between Profile.Delimiter
)

// Column is one column of the file. Type is AccountNumber, FirstName, LastName,
// Phone01 to Phone10, PhoneExt01 to PhoneExt10, TimeZoneBias, DstObserved or
// Custom. Width is in UTF-16 units; Fixed and Custom need it. Name is for Custom.
type Column struct {
	Type  string `json:"type"`
	Name  string `json:"name,omitempty"`
	Width int    `json:"width,omitempty"`
}

// PhoneRules turn an international number into what the dialer dials.
type PhoneRules struct {
	CountryCode         string `json:"countryCode"`         // own country, such as 41; empty: none
	TrunkPrefix         string `json:"trunkPrefix"`         // for numbers of the own country; default 0
	InternationalPrefix string `json:"internationalPrefix"` // for all others; default 00
	DialPrefix          string `json:"dialPrefix"`          // in front of every number
}

// Limits of a contact row (Outbound Option Guide, Dialing List table and
// Configuration of Campaigns and Imports).
const (
	MaxAccount = 30   // characters of AccountNumber
	MaxName    = 50   // UTF-16 units of FirstName, LastName
	MaxPhone   = 20   // digits of a number
	MaxExt     = 8    // digits of an extension
	MaxPhones  = 10   // numbers of a contact
	MaxRow     = 1024 // UTF-16 units of a row without its line end
	maxWidth   = MaxRow
	maxColumns = 200
)

// DefaultProfile is what an import rule with the usual columns reads.
func DefaultProfile() Profile {
	return Profile{
		Format: Comma, Delimiter: ",", Encoding: "windows-1252", LineEnd: "crlf",
		Columns:    []Column{{Type: "AccountNumber"}, {Type: "FirstName"}, {Type: "LastName"}, {Type: "Phone01"}, {Type: "Phone02"}, {Type: "Phone03"}},
		Phone:      PhoneRules{TrunkPrefix: "0", InternationalPrefix: "00"},
		Unmappable: "replace", EmptyList: "skip", Delete: "pending", FinalLineEnd: true,
	}
}

// ProfileError is one thing that is wrong with a profile (code E_CONFIG).
type ProfileError struct {
	Key  string // where, such as columns[3].width; "byte 7" (from 0) when it is no JSON
	Want string // what is allowed there
}

// Error implements error.
func (e *ProfileError) Error() string {
	what := "key " + e.Key
	if strings.HasPrefix(e.Key, "byte ") {
		what = e.Key
	}
	return fmt.Sprintf("outboundcsv: %s: profile %s: want %s", Config, what, e.Want)
}

// ParseProfile reads the JSON form over the defaults and checks it. The error
// joins one *[ProfileError] for each key that is wrong.
func ParseProfile(b []byte) (Profile, error) {
	p := DefaultProfile()
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		var t *json.UnmarshalTypeError
		var syntax *json.SyntaxError
		at := int64(len(b)) // it ends too early
		switch name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); {
		case unknown:
			key, _ := strconv.Unquote(name)
			return p, &ProfileError{Key: key, Want: "no such key"}
		case errors.As(err, &t):
			return p, &ProfileError{Key: t.Field, Want: t.Type.String()}
		case errors.As(err, &syntax):
			at = syntax.Offset - 1
		}
		return p, &ProfileError{Key: fmt.Sprintf("byte %d", at), Want: "JSON: " + reason(err)}
	}
	if _, err := d.Token(); err != io.EOF {
		return p, &ProfileError{Key: fmt.Sprintf("byte %d", d.InputOffset()), Want: "nothing after the profile"}
	}
	return p, p.Validate()
}

// Validate reports everything that is wrong, as joined *[ProfileError].
func (p *Profile) Validate() error {
	var errs []error
	bad := func(key, want string) { errs = append(errs, &ProfileError{Key: key, Want: want}) }
	oneOf := func(key, v string, all ...string) {
		if !slices.Contains(all, v) {
			bad(key, strings.Join(all, ", "))
		}
	}
	oneOf("format", string(p.Format), string(Comma), string(Pipe), string(Custom), string(Fixed))
	oneOf("encoding", p.Encoding, encodings...)
	oneOf("lineEnd", p.LineEnd, "crlf", "lf")
	oneOf("onUnmappable", p.Unmappable, "replace", "reject")
	oneOf("emptyList", p.EmptyList, "skip", "write")
	oneOf("deletePolicy", p.Delete, "pending", "rewrite", "api")
	if p.Format == Custom && !delimiterAllowed(p.Delimiter) {
		bad("delimiter", "one character, not a letter, digit, blank, quote or one of + - * #")
	}
	if slices.Contains(encodings, p.Encoding) {
		p.validateEncoding(bad)
	}
	if p.Format == Fixed && p.Encoding == "utf-8" {
		bad("encoding", "not utf-8 with format fixed: widths would be ambiguous")
	}
	for _, s := range []struct{ key, v string }{{"countryCode", p.Phone.CountryCode}, {"trunkPrefix", p.Phone.TrunkPrefix}, {"internationalPrefix", p.Phone.InternationalPrefix}, {"dialPrefix", p.Phone.DialPrefix}} {
		if !dialable(s.v) || len(s.v) > MaxPhone {
			bad("phone."+s.key, "up to 20 of 0-9 * #")
		}
	}
	p.validateColumns(bad)
	return errors.Join(errs...)
}

// validateEncoding finds what the profile itself would put into the file and the encoding
// has not, and a replacement that would be a delimiter.
func (p *Profile) validateEncoding(bad func(key, want string)) {
	e := newEncoder(p.Encoding)
	outside := func(s string) bool { return strings.ContainsFunc(s, func(r rune) bool { return !e.can(r) }) }
	if p.Format == Custom && (outside(p.Delimiter) || p.Delimiter == "?" && p.Unmappable == "replace" && (e.ascii || e.single != nil)) {
		bad("delimiter", "a character of the encoding, and not ? where that replaces others")
	}
	for i, c := range p.Columns {
		if p.Header && c.Type == "Custom" && outside(c.Name) {
			bad(fmt.Sprintf("columns[%d].name", i), "a name in characters of the encoding")
		}
	}
}

func (p *Profile) validateColumns(bad func(key, want string)) {
	if len(p.Columns) == 0 || len(p.Columns) > maxColumns {
		bad("columns", fmt.Sprintf("1 to %d columns", maxColumns))
		return
	}
	seen := map[string]bool{}
	phones := false
	for i, c := range p.Columns {
		key := fmt.Sprintf("columns[%d]", i)
		k, n := c.kind()
		name := c.Type
		switch k {
		case kindUnknown:
			bad(key+".type", "AccountNumber, FirstName, LastName, Phone01 to Phone10, PhoneExt01 to PhoneExt10, TimeZoneBias, DstObserved or Custom")
			continue
		case kindCustom:
			name = "Custom " + c.Name
			if c.Name == "" || strings.ContainsFunc(c.Name, unicode.IsControl) || p.Format != Fixed && strings.Contains(c.Name, p.delimiter()) {
				bad(key+".name", "a name without control characters and delimiters")
			}
			if c.Width == 0 && p.Format != Fixed {
				bad(key+".width", "the size of the custom column")
			}
		case kindPhone:
			phones = true
		case kindExt:
			if !slices.ContainsFunc(p.Columns, func(o Column) bool { ok, on := o.kind(); return ok == kindPhone && on == n }) {
				bad(key+".type", "an extension only beside its number")
			}
		}
		if c.Width < 0 || c.Width > maxWidth || p.Format == Fixed && c.Width == 0 {
			bad(key+".width", fmt.Sprintf("1 to %d", maxWidth))
		}
		if seen[name] {
			bad(key+".type", "each column once")
		}
		seen[name] = true
	}
	if !phones {
		bad("columns", "at least one phone column")
	}
}

type kind int

const (
	kindUnknown kind = iota
	kindAccount
	kindFirst
	kindLast
	kindPhone
	kindExt
	kindBias
	kindDST
	kindCustom
)

// kind is the column's kind, with the number of a phone column (1 to 10).
func (c Column) kind() (kind, int) {
	switch c.Type {
	case "AccountNumber":
		return kindAccount, 0
	case "FirstName":
		return kindFirst, 0
	case "LastName":
		return kindLast, 0
	case "TimeZoneBias":
		return kindBias, 0
	case "DstObserved":
		return kindDST, 0
	case "Custom":
		return kindCustom, 0
	}
	for prefix, k := range map[string]kind{"Phone": kindPhone, "PhoneExt": kindExt} {
		if num, ok := strings.CutPrefix(c.Type, prefix); ok && len(num) == 2 {
			if n, err := strconv.Atoi(num); err == nil && n >= 1 && n <= MaxPhones && num[0] != '+' {
				return k, n
			}
		}
	}
	return kindUnknown, 0
}

// delimiter is the character between values; empty for fixed rows.
func (p *Profile) delimiter() string {
	switch p.Format {
	case Comma:
		return ","
	case Pipe:
		return "|"
	case Custom:
		return p.Delimiter
	}
	return ""
}

// DelimiterOf is the character between values; empty for fixed rows.
func (p *Profile) DelimiterOf() string { return p.delimiter() }

// AccountColumn is the place of AccountNumber in a row, or -1.
func (p *Profile) AccountColumn() int {
	return slices.IndexFunc(p.Columns, func(c Column) bool { return c.Type == "AccountNumber" })
}

func delimiterAllowed(s string) bool {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 || n != len(s) || r == utf8.RuneError || r == '\n' || r == '\r' {
		return false
	}
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != ' ' && !strings.ContainsRune(`"'+-*#`, r)
}

func dialable(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && c != '*' && c != '#' {
			return false
		}
	}
	return true
}
