package proto_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/ds104/proto"
	"github.com/connects-go/connects/internal/wire"
)

// vectors are written by hand from the specification in doc.go. They are never
// changed, only added to.
var vectors = []struct {
	name, hex string
	msg       proto.Message
}{
	{"GET_REQ of doc.go", "0000000e 00000014 00000007 00000005 00000002 6162", &proto.GetReq{InvokeID: 7, Key: []byte("ab")}},
	{"OPEN_REQ", "00000032 00000001 00000001 00000001 00000001 000001f4 0000000000000003 " +
		"00000001 00000003 633100 00000002 00000007 7365637265743f",
		&proto.OpenReq{InvokeID: 1, Version: 1, Flags: proto.OpenFlagsVoter, HeartbeatMillis: 500, Term: 3, ClientID: "c1", Token: []byte("secret?")}},
	{"PUT_REQ", "00000033 00000016 00000009 00000003 0000000000000002 0000020000000004 000000003b9aca00 00000005 00000001 6b 00000006 00000002 00ff",
		&proto.PutReq{InvokeID: 9, Flags: proto.PutFlagsIfAbsent | proto.PutFlagsLead, Term: 2, IfRevision: 2<<40 + 4, TTL: 1e9, Key: []byte("k"), Value: []byte{0, 255}}},
	{"FAILURE_CONF", "00000010 00000003 00000009 00000009 0000000000000005", &proto.FailureConf{InvokeID: 9, Status: proto.StatusUndecided, Term: 5}},
	{"CHANGE_EVENT of a gap", "00000016 00000020 00000004 0003 0000000000000063 0000000000000000",
		&proto.ChangeEvent{WatchID: 4, Change: proto.ChangeGap, Revision: 99}},
	{"GET_CONF", "00000038 00000015 00000007 0000000000000005 0000000000000000 00000006 00000001 78 " +
		"0000000e 00000003 633100 00000010 00000008 0000000000000001",
		&proto.GetConf{InvokeID: 7, Revision: 5, Value: []byte("x"), Origin: "c1", Written: 1}},
	{"LIST_CONF with two entries", "00000043 0000001b 00000002 0001 0002 " +
		"00000005 00000001 61 00000006 00000001 78 00000007 00000008 0000000000000005 " +
		"00000005 00000001 62 00000007 00000008 0000000000000006",
		&proto.ListConf{InvokeID: 2, More: true, Count: 2, Items: []proto.Item{{Key: []byte("a"), Value: []byte("x"), Revision: 5}, {Key: []byte("b"), Revision: 6}}}},
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVectors(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			want := unhex(t, v.hex)
			got, err := proto.AppendMessage(nil, v.msg)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("append (-want +got):\n%s", cmp.Diff(hex.EncodeToString(want), hex.EncodeToString(got)))
			}
			typ, body, err := wire.NewFrameReader(bytes.NewReader(want), 1<<20).Next()
			if err != nil {
				t.Fatal(err)
			}
			m, err := proto.DecodeMessage(proto.MessageType(typ), body)
			if d := cmp.Diff(v.msg, m); err != nil || d != "" {
				t.Errorf("decode: %v (-want +got):\n%s", err, d)
			}
		})
	}
}

func TestUnknownFieldsSurvive(t *testing.T) {
	frame := unhex(t, "00000017 00000014 00000007 0000abcd 00000001 2a 00000005 00000002 6162")
	m, err := proto.DecodeMessage(proto.TypeGetReq, frame[8:])
	if err != nil {
		t.Fatal(err)
	}
	want := &proto.GetReq{InvokeID: 7, Key: []byte("ab"), Floating: proto.Floating{Extra: []proto.Field{{Tag: 0xabcd, Data: []byte{42}}}}}
	if d := cmp.Diff(want, m); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if b, err := proto.AppendMessage(nil, m); err != nil || !bytes.Contains(b, unhex(t, "0000abcd 00000001 2a")) {
		t.Errorf("%x, %v: the field is lost", b, err)
	}
}

func TestTextsShowNoSecrets(t *testing.T) {
	for _, m := range []proto.Message{
		&proto.OpenReq{Token: []byte("hush-hush")}, &proto.PutReq{Key: []byte("k"), Value: []byte("hush-hush")},
		&proto.ApplyReq{Items: []proto.Item{{Key: []byte("k"), Value: []byte("hush-hush")}}}, &proto.Raw{Body: []byte("hush-hush")},
	} {
		if s := proto.Text(m); strings.Contains(s, "hush") || strings.Contains(s, hex.EncodeToString([]byte("hush"))) || !strings.Contains(s, "****") {
			t.Errorf("%s", s)
		}
	}
}

func TestBodiesThatAreCut(t *testing.T) {
	for _, v := range vectors {
		body := unhex(t, v.hex)[8:]
		if _, err := proto.DecodeMessage(v.msg.Type(), body[:3]); err == nil {
			t.Errorf("%s: three bytes are a message", v.name)
		} else if e := new(proto.DecodeError); !errors.As(err, &e) || e.Message != v.msg.Type().String() || !errors.Is(err, wire.ErrShort) {
			t.Errorf("%s: %v", v.name, err)
		}
	}
	giant := unhex(t, "00000007 00000005 7fffffff 61") // a field that claims 2 GiB
	if _, err := proto.DecodeMessage(proto.TypeGetReq, giant); !errors.Is(err, wire.ErrShort) {
		t.Errorf("giant field: %v", err)
	}
	wild := unhex(t, "00000007 ffffffff ffffffff 61")
	if _, err := proto.DecodeMessage(proto.TypeGetReq, wild); !errors.Is(err, wire.ErrTooLarge) {
		t.Errorf("wild tag: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, v := range vectors {
		f.Add(uint32(v.msg.Type()), unhex(f, v.hex)[8:])
	}
	f.Fuzz(func(t *testing.T, typ uint32, body []byte) {
		m, err := proto.DecodeMessage(proto.MessageType(typ), body)
		if err != nil {
			if e := new(proto.DecodeError); !errors.As(err, &e) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		_ = proto.Text(m)
		b, err := proto.AppendMessage(nil, m)
		if err != nil {
			return // a text with a NUL inside, or longer than allowed
		}
		again, err := proto.DecodeMessage(proto.MessageType(typ), b[wire.HeaderSize:])
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		b2, err := proto.AppendMessage(nil, again)
		if err != nil || !bytes.Equal(b, b2) {
			t.Fatalf("%x\n%x, %v", b, b2, err)
		}
	})
}
