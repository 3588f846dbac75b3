package outboundcsv

import (
	"encoding/csv"
	stderrors "errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/pkg/errors"
)

// SAPResult is a call result that SAP offers an agent (product manual, Outbound
// Campaign). The texts can be changed in SAP, what they mean cannot.
type SAPResult int

// Results of SAP.
const (
	SAPSkipped SAPResult = iota + 1 // marketing permissions
	SAPLineBusy
	SAPFax
	SAPAnsweringMachine
	SAPNoAnswer
	SAPInstantRedial
	SAPSuccess
	SAPWrongParty
)

// MinCallbackDelta is the least, and the default, that is added to a callback time:
// SAP raises an error when a callback is dialled before its time (manual,
// CtiOutboundCallbackDeltaTime: whole minutes).
const MinCallbackDelta = time.Minute

// BAResponse is the value of the call variable BAResponse that tells the dialer a
// result of SAP; empty when there is nothing to tell, because the dialer has seen
// it itself. now is the customer's local time, for an instant redial. The values are
// Cisco's (Outbound Option Guide); which of them belongs to which result is
// assumed, because the table of the manual is not public.
func (r SAPResult) BAResponse(now time.Time) string {
	switch r {
	case SAPSkipped:
		return "Reject-Close"
	case SAPFax:
		return "REX_FAX"
	case SAPAnsweringMachine:
		return "REX_ANS_MACHINE"
	case SAPInstantRedial:
		return CallbackResponse(now, MinCallbackDelta)
	case SAPSuccess:
		return "REX_VOICE"
	case SAPWrongParty:
		return "REX_INVALID"
	}
	return ""
}

// CallbackResponse is the BAResponse that asks for a callback at a time of the
// customer's clock, delta later (at least a minute, whole minutes, rounded up).
func CallbackResponse(at time.Time, delta time.Duration) string {
	delta = max(delta, MinCallbackDelta)
	t := at.Add((delta + time.Minute - 1) / time.Minute * time.Minute)
	if t.Second() != 0 || t.Nanosecond() != 0 {
		t = t.Truncate(time.Minute).Add(time.Minute)
	}
	return t.Format("Callback 01022006 15:04")
}

// CallResult is what a dialer noted for a contact (Dialing List, CallResult).
type CallResult int

var callResults = map[CallResult]string{0: "not tried", 2: "error", 3: "not in service", 4: "no ringback", 5: "operator intercept", 6: "no dial tone",
	7: "invalid number", 8: "no answer", 9: "busy", 10: "connected to agent", 11: "fax", 12: "answering machine", 13: "cancelled for lack of agents",
	14: "customer callback", 15: "answering-machine callback", 16: "abandoned", 17: "reservation failed for personal callback", 18: "agent skipped or rejected",
	19: "agent skipped or rejected with close", 20: "abandoned to IVR", 21: "customer abandoned", 22: "network answering machine", 23: "wrong number",
	24: "wrong person", 25: "returned unattempted", 26: "do not call", 27: "disconnected while ringing", 28: "dead air", 29: "SIP error", 30: "SIP error", 31: "SIP error",
	32: "lost connection to CM", 33: "agent timed out"}

// String returns the meaning in lower case.
func (r CallResult) String() string {
	if s := callResults[r]; s != "" {
		return s
	}
	return "CallResult(" + strconv.Itoa(int(r)) + ")"
}

// ErrResults: a file of results without the columns AccountNumber and CallResult.
var ErrResults = stderrors.New("outboundcsv: want a CSV file with the columns AccountNumber and CallResult")

// ResultReport sums up what became of the rows of a list.
type ResultReport struct {
	Rows    int                `json:"rows"`    // of the list that have a result, 0 (not tried) included
	Foreign int                `json:"foreign"` // rows of the file that are not of the list
	Results map[CallResult]int `json:"results"` // by result
	Closed  int                `json:"closed"`  // CallStatusZone1 is C, J, M or I: nothing more will happen
}

// ReadResults reads an export of the dialing list, as a query of the dialer's
// database or GET .../import/csv with results gives it: CSV with a header; columns
// AccountNumber, CallResult, and CallStatusZone1 if there is one. of tells the rows of
// the list.
func ReadResults(r io.Reader, of func(account string) bool) (ResultReport, error) {
	rep := ResultReport{Results: map[CallResult]int{}}
	in := csv.NewReader(r)
	in.ReuseRecord, in.FieldsPerRecord = true, -1
	account, result, status := -1, -1, -1
	for line := 1; ; line++ {
		row, err := in.Read()
		if err == io.EOF && line > 1 {
			return rep, nil
		}
		if err == io.EOF {
			return rep, ErrResults
		}
		if err != nil {
			return rep, errors.Wrap(err, "outboundcsv: results")
		}
		if line == 1 {
			for i, name := range row {
				switch strings.ToLower(strings.Trim(name, " \ufeff")) {
				case "accountnumber":
					account = i
				case "callresult":
					result = i
				case "callstatuszone1":
					status = i
				}
			}
			if account < 0 || result < 0 {
				return rep, ErrResults
			}
			continue
		}
		if max(account, result) >= len(row) || !of(row[account]) {
			rep.Foreign++
			continue
		}
		n, err := strconv.Atoi(strings.TrimSpace(row[result]))
		if err != nil {
			return rep, errors.WithMessagef(ErrResults, "line %d: CallResult is no number", line)
		}
		rep.Rows++
		rep.Results[CallResult(n)]++
		if status >= 0 && status < len(row) && strings.Contains("CJMI", strings.TrimSpace(row[status])) && strings.TrimSpace(row[status]) != "" {
			rep.Closed++
		}
	}
}
