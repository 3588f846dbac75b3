package outboundcsv_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/outboundcsv"
)

func TestResultsOfSAP(t *testing.T) {
	now := time.Date(2026, 12, 31, 23, 59, 30, 0, time.UTC)
	for r, want := range map[outboundcsv.SAPResult]string{
		outboundcsv.SAPSkipped: "Reject-Close", outboundcsv.SAPLineBusy: "", outboundcsv.SAPFax: "REX_FAX", outboundcsv.SAPAnsweringMachine: "REX_ANS_MACHINE",
		outboundcsv.SAPNoAnswer: "", outboundcsv.SAPSuccess: "REX_VOICE", outboundcsv.SAPWrongParty: "REX_INVALID",
		outboundcsv.SAPInstantRedial: "Callback 01012027 00:01",
	} {
		if got := r.BAResponse(now); got != want {
			t.Errorf("%d: %q, want %q", r, got, want)
		}
	}
	at := time.Date(2026, 11, 23, 9, 5, 0, 0, time.UTC)
	for delta, want := range map[time.Duration]string{0: "09:06", time.Minute: "09:06", 90 * time.Second: "09:07", time.Hour: "10:05"} {
		if got := outboundcsv.CallbackResponse(at, delta); got != "Callback 11232026 "+want {
			t.Errorf("%v: %q, want %s", delta, got, want)
		}
	}
}

func TestReadResults(t *testing.T) {
	ours := func(id string) bool { return id != "other" }
	got, err := outboundcsv.ReadResults(strings.NewReader("\ufeffDialingListID,AccountNumber,CallResult,CallStatusZone1\n1,a,10,C\n2,b,8,R\n3,other,10,C\n4,c,10,\nshort\n"), ours)
	want := outboundcsv.ResultReport{Rows: 3, Foreign: 2, Results: map[outboundcsv.CallResult]int{10: 2, 8: 1}, Closed: 1}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, bad := range []string{"", "AccountNumber\n", "AccountNumber,CallResult\na,x\n"} {
		if _, err := outboundcsv.ReadResults(strings.NewReader(bad), ours); !errors.Is(err, outboundcsv.ErrResults) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if outboundcsv.CallResult(9).String() != "busy" || outboundcsv.CallResult(99).String() != "CallResult(99)" {
		t.Error("names of results")
	}
}
