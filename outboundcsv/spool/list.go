package spool

import (
	"strconv"
	"time"

	"github.com/connects-go/connects/outboundcsv"
)

// State is where a list is on its way.
type State int

// States of a [List].
const (
	// Claiming: accepted here, and another instance has still to be asked
	// whether it has the list. Never acknowledged to the sender.
	Claiming State = iota
	// Waiting for its turn.
	Waiting
	// Held by an operator; lists behind it overtake it.
	Held
	// Placing: converted, and on its way to the importer.
	Placing
	// Placed: the file is there and the importer has not taken it yet.
	Placed
	// Withdrawing: the placed file is being taken back because of a deletion.
	Withdrawing
	// Taken by the importer, or accepted whole by the API. Final.
	Taken
	// Skipped: nothing was left to place. Final.
	Skipped
	// Failed: every row was rejected. Final unless an operator retries.
	Failed
	// Dropped: deleted by the sender before it was taken, or accepted by the
	// other instance. Final.
	Dropped
	// Merged into an earlier list of its campaign, see List.Into. Final.
	Merged
)

var stateNames = [...]string{"claiming", "waiting", "held", "placing", "placed", "withdrawing", "taken", "skipped", "failed", "dropped", "merged"}

// String returns the name in lower case.
func (s State) String() string {
	if s >= 0 && int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "State(" + strconv.Itoa(int(s)) + ")"
}

// MarshalText returns String.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (s *State) UnmarshalText(b []byte) error {
	for i, n := range stateNames {
		if n == string(b) {
			*s = State(i)
			return nil
		}
	}
	return ErrJournal
}

// Final reports whether the queue is done with the list.
func (s State) Final() bool { return s >= Taken }

// Source says whose list it is. All fields are optional.
type Source struct {
	System   string `json:"system,omitempty"` // logical system of SAP
	Client   string `json:"client,omitempty"` // client (Mandant) of SAP
	Campaign string `json:"campaign,omitempty"`
	// Key identifies the delivery: the same key is the same list. Without one a
	// list is the same when its rows are, within the repeat window.
	Key string `json:"key,omitempty"`
}

// List is what the journal knows about one list. It holds no row.
type List struct {
	ID       string `json:"id"` // given by the queue, ascending
	Source   Source `json:"source"`
	Hash     string `json:"hash"` // SHA-256 of the rows
	State    State  `json:"state"`
	Received int    `json:"received"` // rows as they came
	Written  int    `json:"written"`
	Rejected int    `json:"rejected"`
	Deleted  int    `json:"deleted"`
	// Repeats are rows that were left out because another list brought them.
	Repeats  int                `json:"repeats,omitempty"`
	Codes    []outboundcsv.Code `json:"codes,omitempty"`
	Reason   string             `json:"reason,omitempty"` // why it waits or what was special
	Accepted time.Time          `json:"accepted"`
	Placed   time.Time          `json:"placed,omitzero"`
	Taken    time.Time          `json:"taken,omitzero"`
	// Mark is that of the import directory when the list was placed.
	Mark string `json:"mark,omitempty"`
	// Rewrite marks a list without rows of its own: the campaign is placed anew
	// after a deletion.
	Rewrite bool `json:"rewrite,omitempty"`
	// Wiped marks a list whose rows all were deleted by the sender.
	Wiped bool `json:"wiped,omitempty"`
	// Into is the list whose file has the rows of a merged one.
	Into string `json:"into,omitempty"`
	// Sent is how many batches the API accepted, Sending the one under way (from 1).
	Sent    int `json:"sent,omitempty"`
	Sending int `json:"sending,omitempty"`
	// Wipes is the number of the last wipe of the campaign at the API when the rows were
	// sent, Wiping that of the one that this list is doing; see Deletions with two instances.
	Wipes  int `json:"wipes,omitempty"`
	Wiping int `json:"wiping,omitempty"`
}

// Receipt is the answer to an accepted list.
type Receipt struct {
	ID       string // of the list that holds the rows
	Instance string // which instance has it
	Repeated bool   // it had been accepted before; nothing was stored
	Rows     int
	Rejected int
	Repeats  int // rows that are left out; see Options.SkipRepeats
	// Codes of the whole list: E_ALL_REJECTED when no row is good.
	Codes []outboundcsv.Code
	// Rejects are the first rejected rows, at most [MaxRejects].
	Rejects []Reject
}

// MaxRejects is how many rejected rows a [Receipt] names. The report of the list
// has all of them.
const MaxRejects = 1000

// Reject is one line of a list's report: a row that was rejected, one that was written
// with warnings, one that was left out ([Repeated]), or one whose deletion came too late
// ([DeleteTooLate]).
type Reject struct {
	ID       string             `json:"id"`
	Codes    []outboundcsv.Code `json:"codes"`
	Rejected bool               `json:"rejected"`
}

// Outcome is what became of one deletion.
type Outcome int

// Outcomes of [Queue.Delete].
const (
	NotFound Outcome = iota // no list of the campaign has the id
	Removed                 // the row will not be dialled from here
	TooLate                 // E_DELETE_TOO_LATE: the importer has it
)

// DeleteTooLate is the code of [TooLate] in reports.
const DeleteTooLate outboundcsv.Code = "E_DELETE_TOO_LATE"

// String returns the name in lower case.
func (o Outcome) String() string {
	switch o {
	case NotFound:
		return "not found"
	case Removed:
		return "removed"
	case TooLate:
		return "too late"
	}
	return "Outcome(" + strconv.Itoa(int(o)) + ")"
}
