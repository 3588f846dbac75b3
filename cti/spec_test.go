package cti_test

import (
	"encoding/csv"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/internal/wiregen"
	"github.com/google/go-cmp/cmp"
)

// The files in testdata/spec list the numbers that the CTI Server Message
// Reference Guides publish. They were taken from the guides' tables, not from
// messages.txt and enums.txt, so these tests compare two transcripts.

func readSpec(t testing.TB, name string) []map[string]string {
	t.Helper()
	f, err := os.Open("testdata/spec/" + name + ".csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]string
	for _, r := range rows[1:] {
		m := map[string]string{}
		for i, k := range rows[0] {
			m[k] = r[i]
		}
		out = append(out, m)
	}
	return out
}

func atoi(t testing.TB, s string) int {
	t.Helper()
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestMessagesHaveTheirPublishedNumbers(t *testing.T) {
	t.Parallel()
	rows := readSpec(t, "messages")
	if len(rows) != 244 {
		t.Fatalf("%d messages in the specification", len(rows))
	}
	directions := map[string]cti.Direction{"client->server": cti.ToServer, "server->client": cti.ToClient, "both": cti.ToBoth}
	seen := 0
	for _, r := range rows {
		number := cti.MessageType(atoi(t, r["type"]))
		info, ok := number.Info()
		if !ok {
			t.Errorf("%s: number %d is not known", r["name"], number)
			continue
		}
		seen++
		answer := cti.MessageType(0)
		if r["answer"] != "" {
			if answer, ok = cti.ParseMessageType(r["answer"]); !ok {
				t.Errorf("%s: no message %s", r["name"], r["answer"])
			}
		}
		status := map[string]cti.Status{"guide": cti.Verified, "not public": cti.Opaque}[r["layout"]]
		if status == 0 {
			status = cti.Assumed
		}
		want := cti.MessageInfo{
			Type: number, Name: r["name"], Category: r["category"], Direction: directions[r["direction"]],
			Status: status, Answer: answer, Since: cti.Version(atoi(t, r["since"])),
			Alternative: cti.MessageType(atoi(t, r["alt"])),
			Role:        info.Role, Purpose: info.Purpose,
		}
		if d := cmp.Diff(want, info); d != "" {
			t.Errorf("%s (-want +got):\n%s", r["name"], d)
		}
		if m := cti.NewMessage(number); m.Type() != number || number.String() != r["name"] {
			t.Errorf("%s: NewMessage(%d) is a %v", r["name"], number, m.Type())
		}
	}
	n := 0
	for range cti.Messages() {
		n++
	}
	if n != seen {
		t.Errorf("%d messages, %d of them published", n, seen)
	}
}

func TestTagsHaveTheirPublishedNumbers(t *testing.T) {
	t.Parallel()
	first := map[int]string{}
	for _, r := range readSpec(t, "tags") {
		if r["value"] == "" {
			continue
		}
		n := atoi(t, r["value"])
		if first[n] == "" {
			first[n] = r["name"]
		}
		if got := cti.Tag(n).String(); got != first[n] {
			t.Errorf("tag %d: %s, want %s", n, got, first[n])
		}
	}
	for n := range 1000 {
		if s := cti.Tag(n).String(); first[n] == "" && s != "Tag("+strconv.Itoa(n)+")" {
			t.Errorf("tag %d: %s, which is not published", n, s)
		}
	}
}

func TestConstantsHaveTheirPublishedValues(t *testing.T) {
	t.Parallel()
	rows := readSpec(t, "constants")
	groups := map[string]bool{}
	special := 0
	for _, r := range rows {
		groups[r["group"]] = true
		v, err := strconv.ParseInt(r["value"], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if r["group"] == "Special" {
			special++
			continue
		}
		got := cti.ConstantName(r["group"], v)
		if got != r["name"] && r["name"] != "E_CTI_INVALID_MESSAGE_TYPE" { // a second name of 2
			t.Errorf("%s %d: %q, want %s", r["group"], v, got, r["name"])
		}
	}
	if len(groups) != 71 || special != 18 {
		t.Errorf("%d groups, %d special constants", len(groups), special)
	}
	specials := map[string]uint64{"NULL_CALL_ID": cti.NullCallID, "NULL_CALLTYPE": cti.NullCallType, "NO_IDLE_TIMEOUT": cti.NoIdleTimeout,
		"MAX_MESSAGE_SIZE_V15_TO_V20": uint64(cti.Version15.MaxMessageSize()), "MAX_MESSAGE_SIZE_V23_TO_V25": uint64(cti.Version25.MaxMessageSize())}
	for _, r := range rows {
		if want, ok := specials[r["name"]]; ok && strconv.FormatUint(want, 10) != r["value"] {
			t.Errorf("%s: %d, want %s", r["name"], want, r["value"])
		}
	}
}

// TestFieldsAreThePublishedOnes compares every field of every message: order,
// type, size, tag, list and versions.
func TestFieldsAreThePublishedOnes(t *testing.T) {
	t.Parallel()
	var want []string
	for _, r := range readSpec(t, "fields") {
		want = append(want, strings.Join([]string{r["message"], r["part"], r["name"], r["type"], r["size"], r["tag"], r["list"], r["since"], r["until"]}, ","))
	}
	if len(want) != 1776 {
		t.Fatalf("%d fields in the specification", len(want))
	}
	table := readTable(t)
	var got []string
	num := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	sizes := map[string]string{"UCHAR": "1", "USHORT": "2", "BOOL": "2", "INT": "4", "UINT": "4", "TIME": "4", "UNSPEC": "8"}
	for _, m := range table.Messages {
		for _, f := range m.Fixed {
			got = append(got, strings.Join([]string{m.Name, "fixed", f.Name, f.Type, sizes[f.Type], "", "", num(f.Since), num(f.Until)}, ","))
		}
		var walk func(fields []*wiregen.Field, list string)
		walk = func(fields []*wiregen.Field, list string) {
			for _, f := range fields {
				if f.List != nil {
					walk(f.List.Fields, f.List.Count)
					continue
				}
				got = append(got, strings.Join([]string{m.Name, "floating", f.Name, f.Type, strconv.Itoa(f.Max), f.Tag.Name, list, num(f.Since), num(f.Until)}, ","))
			}
		}
		walk(m.Floats, "")
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("fields (-want +got):\n%s", d)
	}
}

func readTable(t *testing.T) *wiregen.Table {
	t.Helper()
	enums, err := os.Open("enums.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer enums.Close()
	messages, err := os.Open("messages.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer messages.Close()
	table, err := wiregen.Parse("cti", "enums.txt", enums, "messages.txt", messages)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestGeneratedFilesAreUpToDate(t *testing.T) {
	t.Parallel()
	files, err := wiregen.GenerateDir(".", "cti")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if string(got) != string(want) {
			t.Errorf("%s is not what the tables give: run go generate ./cti", name)
		}
		if !strings.HasPrefix(string(got), "// Code generated by wiregen from messages.txt and enums.txt; DO NOT EDIT.\n") {
			t.Errorf("%s does not begin with the line of generated files", name)
		}
	}
}
