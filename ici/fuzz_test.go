package ici_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/connects-go/connects/ici"
)

// seed adds the envelopes of the reference and some of the traps.
func seed(f *testing.F, add func([]byte)) {
	f.Helper()
	files, err := filepath.Glob("testdata/envelopes/*.xml")
	if err != nil || len(files) == 0 {
		f.Fatal("no envelopes", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		add(b)
	}
	for _, s := range []string{
		chatPost("a&amp;b<![CDATA[<x>]]>&#x41;\r\n"), chatPost(`<a href="#1"/><b id="1"/>`), `<!DOCTYPE a><a/>`, "<a", "<a b='c' xmlns:d=\"e\"/>",
		openEnv + `<a id="1" href="#1"/>` + closeEnv, openEnv + `<setCurrentQueues><queueIds i:nil="true"/></setCurrentQueues>` + closeEnv,
	} {
		add([]byte(s))
	}
}

// leaves lists local name and text of all elements without child elements, in the order of their ends.
func leaves(d *xml.Decoder) (out []string, err error) {
	type open struct {
		name  string
		text  strings.Builder
		child bool
	}
	var stack []*open
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if len(stack) > 0 {
				stack[len(stack)-1].child = true
			}
			stack = append(stack, &open{name: t.Name.Local})
		case xml.EndElement:
			o := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if !o.child {
				out = append(out, o.name+"="+o.text.String())
			}
		case xml.CharData:
			if len(stack) > 0 {
				stack[len(stack)-1].text.Write(t)
			}
		}
	}
}

// collect lists the same of what we read.
func collect(e ici.Element, out []string, budget *int) []string {
	if *budget--; *budget < 0 {
		return out
	}
	if !e.First().Exists() {
		return append(out, e.Name()+"="+e.Text())
	}
	for c := range e.Children() {
		out = collect(c, out, budget)
	}
	return out
}

// FuzzEnvelope: what we accept, encoding/xml accepts too and reads the same; reading never panics, whatever the input.
func FuzzEnvelope(f *testing.F) {
	seed(f, func(b []byte) { f.Add(b) })
	p := ici.Default()
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, events := range []bool{false, true} {
			r, err := p.ParseRequest(b, &ici.ParseOptions{Events: events})
			if err != nil {
				var pe *ici.ParseError
				if !errors.As(err, &pe) {
					t.Fatalf("%T is no *ParseError", err)
				}
				continue
			}
			budget := 100000
			got := collect(r.Body(), nil, &budget)
			answer := p.AppendResponse(nil, r, ici.Texts(r.List(ici.ParamQueueIDs)))
			var call ici.PhoneCall
			call.DecodeICI(r.Element(ici.ParamPhoneCall))
			if _, err := p.ParseResponse(answer, "", nil); err != nil && !strings.HasPrefix(string(answer[bytes.Index(answer, []byte("Body>")):]), "Body><m:Fault") && r.Name+"Response" != "Fault" {
				t.Fatalf("our own answer cannot be read: %v\n%s", err, answer)
			}
			if bytes.Contains(b, []byte("href")) || !utf8.Valid(b) || bytes.Contains(b, []byte("encoding")) || bytes.HasPrefix(b, []byte("\xEF\xBB\xBF")) ||
				bytes.HasPrefix(b, []byte{0}) || len(b) > 1 && b[1] == 0 {
				continue // references are not followed by encoding/xml, and it knows one character set
			}
			theirs, err := leaves(xml.NewDecoder(bytes.NewReader(b)))
			if err != nil {
				if s := err.Error(); strings.Contains(s, "invalid XML name") || strings.Contains(s, "unsupported version") || strings.Contains(s, "expected") && !isASCII(b) {
					continue // we do not check which letters beyond ASCII a name may have, nor the version
				}
				t.Fatalf("encoding/xml refuses what we accept: %v\n%q", err, b)
			}
			all := strings.Join(theirs, "\x00") + "\x00"
			if want := strings.Join(got, "\x00") + "\x00"; !strings.Contains(all, want) {
				t.Fatalf("read differently:\nours   %q\ntheirs %q", got, theirs)
			}
		}
	})
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// FuzzDispatch: any names lead somewhere without panic, and the answer carries the caller's name.
func FuzzDispatch(f *testing.F) {
	f.Add("urn:IciUserInterface", "/", "getAttributes", "userId", "MEIER")
	f.Add("", "/IciChatService/IciChatConf", "accept", "chatSessionId", "chat-1")
	f.Add("urn:x", "/a/b", "IciItem_wrapUpRequired_Request", "itemId", "call-1")
	f.Add("", "", "subscribe", "url", "http://x")
	p := ici.Default()
	f.Fuzz(func(t *testing.T, ns, path, op, param, value string) {
		var esc bytes.Buffer
		if xml.EscapeText(&esc, []byte(value)) != nil {
			return
		}
		body := call(ns, op, "<"+param+">"+esc.String()+"</"+param+">")
		r, err := p.ParseRequest(body, &ici.ParseOptions{Path: path})
		if err != nil {
			return
		}
		answer := p.AppendResponse(nil, r, nil)
		if !bytes.Contains(answer, []byte(r.Name+p.Wire(ici.WireResponseSuffix))) {
			t.Fatalf("answer to %q: %s", op, answer)
		}
		if r.Op != ici.OpUnknown && r.Service == ici.ServiceUnknown {
			t.Fatalf("%v has no service", r.Op)
		}
	})
}

// FuzzCharset: any bytes with any label give text or a *ParseError.
func FuzzCharset(f *testing.F) {
	for _, name := range []string{"shift_jis", "utf-16le-bom", "utf-16be-nobom", "gb18030", "iso-8859-1", "utf-8-bom"} {
		b, err := os.ReadFile("testdata/charsets/" + name + ".xml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, "text/xml")
		f.Add(b, "text/xml; charset=big5")
	}
	f.Add([]byte("<a/>"), `text/xml; charset="utf-7`)
	p := ici.Default()
	f.Fuzz(func(t *testing.T, b []byte, contentType string) {
		r, err := p.ParseRequest(b, &ici.ParseOptions{ContentType: contentType})
		if err != nil {
			var pe *ici.ParseError
			if !errors.As(err, &pe) {
				t.Fatalf("%T is no *ParseError", err)
			}
			if strings.ContainsAny(err.Error(), "\r\n\x00") {
				t.Fatalf("error text is not one line: %q", err)
			}
			return
		}
		if s := r.Body().Text(); !utf8.ValidString(s) || !utf8.ValidString(r.Name) {
			t.Fatalf("text is not UTF-8: %q", s)
		}
	})
}
