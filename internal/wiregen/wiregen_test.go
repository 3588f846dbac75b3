package wiregen_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/connects-go/connects/internal/wiregen"
	"github.com/google/go-cmp/cmp"
)

const enums = `
# groups
const NULL_ID 4294967295
enum Colour USHORT COLOUR_ -- of the thing
value COLOUR_RED 0
value COLOUR_NONE 0xffff -- not known
mask Flags UINT -
value ONE_MASK 1
`

const messages = `
tag NAME_TAG 1 STRING 10 -- a name
tag ITEM_TAG 2 UINT 4 since=20
tag COUNT_TAG 3 USHORT 2
tag LOST_TAG ? STRING 8
message ASK_REQ 1 client->server
category talk
status verified
role request
confirm ASK_CONF
doc asks
fixed InvokeID UINT
fixed NumItems USHORT
field Name STRING 10 NAME_TAG required
list Items NumItems - max=3
field Item UINT 4 ITEM_TAG
end
message ASK_CONF 2 server->client
category talk
status verified
role confirm
doc answers
fixed InvokeID UINT
fixed Colour USHORT enum=Colour
`

func parse(e, m string) (*wiregen.Table, error) {
	return wiregen.Parse("talk", "enums.txt", strings.NewReader(e), "messages.txt", strings.NewReader(m))
}

func TestParse(t *testing.T) {
	t.Parallel()
	table, err := parse(enums, messages)
	if err != nil {
		t.Fatal(err)
	}
	if len(table.Messages) != 2 || len(table.Tags) != 4 || len(table.Enums) != 2 || len(table.Consts) != 1 {
		t.Fatalf("%+v", table)
	}
	ask := table.Messages[0]
	got := []any{ask.Name, ask.Number, ask.Confirm, len(ask.Fixed), ask.Floats[0].Name, ask.Floats[0].Required,
		ask.Floats[1].List.Count, ask.Floats[1].List.Max, ask.Floats[1].List.Fields[0].Tag.Since,
		table.Messages[1].Fixed[1].Enum.Values[1].Value, table.Enums[0].Note, table.Tags[3].Number}
	want := []any{"ASK_REQ", 1, "ASK_CONF", 2, "Name", true, "NumItems", 3, 20, uint64(0xFFFF), "of the thing", -1}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestErrorsNameFileAndLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, enums, messages, want string
	}{
		{"keyword of a group", enums + "colour RED", messages, `enums.txt:9: unknown keyword "colour"`},
		{"value without a group", "value A 1", messages, "enums.txt:1: value before a group"},
		{"group twice", enums + "enum Colour USHORT -", messages, "enums.txt:9: group Colour is there already"},
		{"value above 32 bits", enums + "value A 4294967296", messages, `enums.txt:9: "4294967296" is no number of 32 bits`},
		{"tag twice", enums, "tag A 1 UINT 4\ntag A 2 UINT 4", "messages.txt:2: tag A is there already"},
		{"tag number", enums, "tag A one UINT 4", `messages.txt:1: "one" is no number`},
		{"option of a tag", enums, "tag A 1 UINT 4 until=3 from=2", `messages.txt:1: unknown option "from=2"`},
		{"words are missing", enums, "message A 1", "messages.txt:1: message: want NAME NUMBER DIRECTION"},
		{"direction", enums, "message A 1 up", `messages.txt:1: unknown direction "up"`},
		{"message twice", enums, messages + "message ASK_REQ 7 both", "messages.txt:25: message ASK_REQ is there already"},
		{"property before a message", enums, "doc x", "messages.txt:1: doc before a message"},
		{"status", enums, messages + "status good", `messages.txt:25: "good" is none of verified, assumed, opaque`},
		{"unknown keyword", enums, messages + "fixt A UINT", `messages.txt:25: unknown keyword "fixt"`},
		{"type", enums, messages + "fixed A LONG", `messages.txt:25: "LONG" is none of CHAR, UCHAR, SHORT, USHORT, INT, UINT, ULONG, BOOL, TIME, STRING, UNSPEC, NAMEDVAR, NAMEDARRAY, TASKID`},
		{"unknown tag", enums, messages + "field A UINT 4 B_TAG", "messages.txt:25: unknown tag B_TAG"},
		{"unknown group", enums, messages + "fixed A UINT enum=Size", `messages.txt:25: unknown group "Size"`},
		{"field twice", enums, messages + "fixed Colour UINT", "messages.txt:25: field Colour is there already"},
		{"end without a list", enums, messages + "end", "messages.txt:25: end without a list"},
		{"list without end", enums, messages + "list A B -", "messages.txt:25: list without end"},
		{"bylength", enums, messages + "bylength 8", `messages.txt:25: bylength: want LENGTH=VERSION, have "8"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(c.enums, c.messages)
			var se *wiregen.SyntaxError
			if !errors.As(err, &se) || err.Error() != c.want {
				t.Errorf("\n got %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestChecksOfTheWholeTable(t *testing.T) {
	t.Parallel()
	head := func(name string, n string) string {
		return "message " + name + " " + n + " server->client\ncategory talk\nstatus verified\nrole event\ndoc x\n"
	}
	for _, c := range []struct{ name, messages, want string }{
		{"number twice", messages + head("B", "1"), "messages.txt:25: B: number 1 belongs to ASK_REQ"},
		{"properties are missing", messages + "message B 3 both", "B: needs category, status, role and doc"},
		{"a request without invoke id", strings.Replace(messages, "fixed InvokeID UINT\nfixed NumItems", "fixed NumItems", 1), "ASK_REQ: a request needs confirm and an invoke id"},
		{"an answer that is none", strings.Replace(messages, "role confirm", "role event", 1), "ASK_REQ: ASK_CONF is no confirmation"},
		{"a list without a count", messages + head("B", "3") + "list L NumL -\nfield Item UINT 4 ITEM_TAG\nend\n", "B: list L: no count NumL"},
		{"a tag twice", messages + head("B", "3") + "field A STRING 9 NAME_TAG\nfield B STRING 9 NAME_TAG\n", "B: tag NAME_TAG is there twice"},
		{"a name twice", messages + head("B", "3") + "fixed A UINT\nfield A STRING 9 NAME_TAG\n", "B: field A is there twice"},
		{"a fixed text", messages + head("B", "3") + "fixed A STRING\n", "B: fixed field A has no size"},
		{"an opaque message with fields", messages + strings.Replace(head("B", "3"), "verified", "opaque", 1) + "fixed A UINT\n", "B: an opaque message has no fields"},
		{"entries that differ", messages + head("B", "3") + "fixed N USHORT\nlist L N E\nfield A UINT 4 ITEM_TAG\nfield C USHORT 2 COUNT_TAG\nend\n" +
			head("D", "4") + "fixed N USHORT\nlist L N E\nfield A UINT 4 ITEM_TAG\nend\n", "D: entry E has other members elsewhere"},
		{"two single lists of two fields", messages + head("B", "3") + "fixed N USHORT\nlist L N -\nfield A UINT 4 ITEM_TAG\nfield C USHORT 2 COUNT_TAG\nend\n", "B: list L has 2 fields"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(enums, c.messages)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("\n got %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestGenerateIsDeterministicAndReadable(t *testing.T) {
	t.Parallel()
	var first map[string][]byte
	for range 3 {
		table, err := parse(enums, messages)
		if err != nil {
			t.Fatal(err)
		}
		files, err := wiregen.Generate(table)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = files
		}
		if d := cmp.Diff(first, files); d != "" {
			t.Fatalf("(-first +next):\n%s", d)
		}
	}
	for name, parts := range map[string][]string{
		"talk_gen.go": {"type AskReq struct {", "Items []uint32", "func (m *AskReq) Invoke() uint32 { return m.InvokeID }",
			"if v >= 20 {", `e.text(1, "Name", 10, m.Name)`, "func (m *AskConf) confirm() {}", "Colour Colour"},
		"enums_gen.go":    {"ColourNone Colour = 0xffff // COLOUR_NONE: not known", "FlagsOne Flags = 0x1", "NullID = 0xffffffff"},
		"tags_gen.go":     {"TagItem  Tag = 2 // ITEM_TAG, UINT, from version 20"},
		"registry_gen.go": {"TypeAskReq  MessageType = 1", "return new(AskConf)"},
		"requests_gen.go": {"func (r Requests) Ask(ctx context.Context, m *AskReq) (*AskConf, error) {"},
	} {
		src := string(first[name])
		if !strings.HasPrefix(src, "// Code generated by wiregen from messages.txt and enums.txt; DO NOT EDIT.\n") {
			t.Errorf("%s: %.80s", name, src)
		}
		for _, p := range parts {
			if !strings.Contains(src, p) {
				t.Errorf("%s lacks %q", name, p)
			}
		}
	}
}
