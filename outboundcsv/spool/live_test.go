package spool_test

import (
	"fmt"
	"iter"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/outboundcsv"
	"github.com/connects-go/connects/outboundcsv/spool"
)

// mixed are n rows of which every third has no number and every third an extension,
// which the profile drops.
func mixed(n int, at func(i int)) iter.Seq2[outboundcsv.PlannedCall, error] {
	return func(yield func(outboundcsv.PlannedCall, error) bool) {
		for i := range n {
			at(i)
			c := outboundcsv.PlannedCall{ID: strconv.Itoa(i), LastName: "Müller", Phones: []outboundcsv.Phone{{Number: "+49 6227 7" + strconv.Itoa(i)}}}
			switch i % 3 {
			case 1:
				c.Phones = nil
			case 2:
				c.Phones[0].Ext = "5"
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

func TestWhatComesIsShownWhileItComes(t *testing.T) {
	b := open(t, nil)
	var got spool.Status
	b.accept("C", "", mixed(100, func(i int) {
		if i == 90 {
			got = b.q.Status()
		}
	}))
	want := []spool.Receiving{{Campaign: "C", Rows: 90, Rejected: 30}}
	for i := 88; i > 88-3*spool.MaxRecent; i -= 3 {
		want[0].Recent = append(want[0].Recent, spool.Reject{ID: strconv.Itoa(i), Codes: []outboundcsv.Code{outboundcsv.NoPhone}, Rejected: true})
	}
	for i := range got.Receiving {
		got.Receiving[i].Since = time.Time{}
	}
	if diff := cmp.Diff(want, got.Receiving); diff != "" || got.Waiting != 0 {
		t.Errorf("%d wait (-want +got):\n%s", got.Waiting, diff)
	}
	if s := b.q.Status(); s.Receiving != nil || s.Waiting != 1 {
		t.Errorf("afterwards %+v", s)
	}
}

func TestRejectsDuringALongList(t *testing.T) {
	const total = 9_000
	d := &spool.FaultyDisk{}
	b := open(t, d.On)
	b.accept("C", "0", calls("gone"))
	b.accept("C", "1", mixed(total, func(int) {}))
	if out, err := b.q.Delete(t.Context(), "C", []string{"7", "gone"}); err != nil || out[0] != spool.Removed {
		t.Fatal(out, err)
	}
	var shown *spool.Progress
	var rows []spool.Reject
	var failed error
	d.WriteErr = func() error { // in the middle: the importer's disk takes the first part of the file
		if shown == nil {
			shown = b.q.Status().Progress
			failed = b.q.Rejects("2", func(r spool.Reject) bool { rows = append(rows, r); return true })
		}
		return nil
	}
	b.step()
	if shown == nil || failed != nil {
		t.Fatalf("%+v %v", shown, failed)
	}
	if shown.Total != total || shown.Read == 0 || shown.LeftOut != 1 || shown.Written == 0 || shown.Rejected == 0 || shown.Warnings == 0 ||
		shown.Written+shown.Rejected >= total || shown.Done() <= 0 || shown.Done() >= 1 {
		t.Errorf("%+v", shown)
	}
	if rate, left := shown.Rate(shown.Since.Add(2 * time.Second)); rate <= 0 || rate >= total/2 || left <= 0 {
		t.Errorf("%v rows/s, %v left after 2 s", rate, left)
	}
	if len(rows) != shown.Rejected+shown.Warnings {
		t.Errorf("the report has %d rows, want %d", len(rows), shown.Rejected+shown.Warnings)
	}
	for i, r := range rows {
		n := i/2*3 + 1 + i%2
		if i > 3 { // 7 was deleted
			n = (i+1)/2*3 + 1 + (i+1)%2
		}
		if want := strconv.Itoa(n); r.ID != want || r.Rejected != (n%3 == 1) {
			t.Fatalf("row %d of the report is %+v, want %s", i, r, want)
		}
	}
	var recent []spool.Reject
	for i := range spool.MaxRecent {
		recent = append(recent, rows[len(rows)-1-i])
	}
	if diff := cmp.Diff(recent, shown.Recent); diff != "" {
		t.Errorf("the latest rows (-want +got):\n%s", diff)
	}
	all := 0
	if err := b.q.Rejects("2", func(spool.Reject) bool { all++; return true }); err != nil || all != total/3*2-1 || b.q.Status().Progress != nil {
		t.Errorf("afterwards %d rows in the report, %v", all, err)
	}
	if l, _ := b.q.List("2"); fmt.Sprint(l.Written, l.Rejected, l.Deleted) != fmt.Sprint(total/3*2, total/3-1, 1) {
		t.Errorf("%+v", l)
	}
}
