package sapphone

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/html/charset"
)

const (
	soapNamespace = "http://schemas.xmlsoap.org/soap/envelope/"
	rfcNamespace  = "urn:sap-com:document:sap:rfc:functions"
)

func (t *HTTP) serveSOAP(w http.ResponseWriter, r *http.Request) {
	c, spills, err := readSOAP(r.Body, t.o.SpillDir)
	defer closeAll(spills)
	var res *Result
	if err == nil {
		res, err = t.call(r, c)
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	if err != nil {
		t.o.Logger.Warn("call refused", slog.String("err", err.Error()))
		code := http.StatusInternalServerError // what SOAP 1.1 wants for a fault
		if s := status(err); s == http.StatusServiceUnavailable || s == http.StatusRequestEntityTooLarge {
			code = s
			w.Header().Set("Retry-After", "30")
		}
		w.WriteHeader(code)
		writeFault(w, err)
		return
	}
	writeResponse(w, c.Func, res)
}

// sapName and xmlName turn the slash of name spaces into what XML allows and back.
func sapName(s string) string { return strings.ReplaceAll(s, "_-", "/") }
func xmlName(s string) string { return strings.ReplaceAll(s, "/", "_-") }

// readSOAP reads an envelope as a stream. There is no DTD and there are no
// entities but those of XML.
func readSOAP(r io.Reader, dir string) (*Call, []*Spill, error) {
	d := xml.NewDecoder(bufio.NewReaderSize(r, 64<<10))
	d.CharsetReader = charset.NewReaderLabel
	x := &soapReader{d: d, dir: dir, c: &Call{In: map[string]Value{}, Tables: map[string]Table{}}}
	err := x.envelope()
	if err != nil {
		var large *http.MaxBytesError
		if !errors.As(err, &large) && !errors.Is(err, ErrTooLarge) {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			err = fmt.Errorf("%w: byte %d: %w", errSyntax, d.InputOffset(), err)
		}
	}
	return x.c, x.spills, err
}

type soapReader struct {
	d      *xml.Decoder
	dir    string
	c      *Call
	spills []*Spill
}

// next returns the next start or end element; text is collected when wanted.
func (x *soapReader) next(text *strings.Builder) (xml.Token, error) {
	for {
		t, err := x.d.Token()
		if err != nil {
			return nil, err
		}
		switch v := t.(type) {
		case xml.StartElement, xml.EndElement:
			return t, nil
		case xml.Directive:
			return nil, errors.New("a document type is not accepted")
		case xml.CharData:
			if text != nil {
				if text.Len()+len(v) > maxRowText {
					return nil, ErrTooLarge
				}
				text.Write(v)
			}
		}
	}
}

func (x *soapReader) envelope() error {
	t, err := x.next(nil)
	if err != nil {
		return err
	}
	root, ok := t.(xml.StartElement)
	if !ok || root.Name.Local != "Envelope" {
		if ok && root.Name.Space == rfcNamespace { // xRFC has no envelope
			return x.function(root)
		}
		return errors.New("want a SOAP envelope")
	}
	for {
		if t, err = x.next(nil); err != nil {
			return err
		}
		s, ok := t.(xml.StartElement)
		if !ok {
			return errors.New("no body")
		}
		if s.Name.Local == "Body" && s.Name.Space == root.Name.Space {
			break
		}
		if err := x.d.Skip(); err != nil {
			return err
		}
	}
	if t, err = x.next(nil); err != nil {
		return err
	}
	f, ok := t.(xml.StartElement)
	if !ok {
		return errors.New("the body is empty")
	}
	if err := x.function(f); err != nil {
		return err
	}
	for range 2 { // end of body and envelope: a list that was cut off is no list
		if t, err = x.next(nil); err != nil {
			return err
		}
		if _, ok := t.(xml.EndElement); !ok {
			return errors.New("one call only")
		}
	}
	if _, err := x.next(nil); err != io.EOF {
		return errors.New("data after the envelope")
	}
	return nil
}

func (x *soapReader) function(f xml.StartElement) error {
	x.c.Func = sapName(f.Name.Local)
	for {
		t, err := x.next(nil)
		if err != nil {
			return err
		}
		s, ok := t.(xml.StartElement)
		if !ok {
			return nil
		}
		if err := x.parameter(sapName(s.Name.Local)); err != nil {
			return err
		}
	}
}

// parameter reads a value, or a table when its first child is an item.
func (x *soapReader) parameter(name string) error {
	_, a := x.c.In[name]
	_, b := x.c.Tables[name]
	if a || b {
		return fmt.Errorf("parameter %q comes twice", name)
	}
	var text strings.Builder
	t, err := x.next(&text)
	if err != nil {
		return err
	}
	s, ok := t.(xml.StartElement)
	if !ok {
		x.c.In[name] = Value{Text: text.String()}
		return nil
	}
	if s.Name.Local != "item" {
		return fmt.Errorf("parameter %q: structures are not supported, tables and plain values are", name)
	}
	rows, err := NewSpill(x.dir)
	if err != nil {
		return err
	}
	x.spills = append(x.spills, rows)
	for {
		fields, err := x.item()
		if err != nil {
			return err
		}
		if err := rows.Add(Row{Fields: fields}); err != nil {
			return err
		}
		if t, err = x.next(nil); err != nil {
			return err
		}
		if s, ok = t.(xml.StartElement); !ok {
			x.c.Tables[name] = rows.Table(0)
			return nil
		}
		if s.Name.Local != "item" {
			return fmt.Errorf("table %q: want item", name)
		}
	}
}

func (x *soapReader) item() (map[string]string, error) {
	fields, size := map[string]string{}, 0
	for {
		t, err := x.next(nil)
		if err != nil {
			return nil, err
		}
		s, ok := t.(xml.StartElement)
		if !ok {
			return fields, nil
		}
		var text strings.Builder
		if t, err = x.next(&text); err != nil {
			return nil, err
		}
		if _, ok := t.(xml.EndElement); !ok {
			return nil, fmt.Errorf("field %q has more than text", s.Name.Local)
		}
		v := text.String()
		if size += len(s.Name.Local) + len(v); size > maxRowText {
			return nil, ErrTooLarge
		}
		fields[sapName(s.Name.Local)] = v
	}
}

func writeResponse(w io.Writer, function string, res *Result) {
	b := bufio.NewWriter(w)
	defer b.Flush()
	name := xmlName(function) + ".Response"
	fmt.Fprintf(b, `<?xml version="1.0" encoding="utf-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="%s"><SOAP-ENV:Body><rfc:%s xmlns:rfc="%s">`, soapNamespace, name, rfcNamespace)
	for _, k := range sorted(res.Out) {
		element(b, xmlName(k), res.Out[k])
	}
	for _, k := range sorted(res.Tables) {
		fmt.Fprintf(b, "<%s>", xmlName(k))
		for _, row := range res.Tables[k] {
			b.WriteString("<item>")
			for _, f := range sorted(row) {
				element(b, xmlName(f), row[f])
			}
			b.WriteString("</item>")
		}
		fmt.Fprintf(b, "</%s>", xmlName(k))
	}
	fmt.Fprintf(b, `</rfc:%s></SOAP-ENV:Body></SOAP-ENV:Envelope>`, name)
}

func element(b *bufio.Writer, name, value string) {
	fmt.Fprintf(b, "<%s>", name)
	_ = xml.EscapeText(b, []byte(value)) // errors stay in b
	fmt.Fprintf(b, "</%s>", name)
}

func writeFault(w io.Writer, err error) {
	b := bufio.NewWriter(w)
	defer b.Flush()
	code, name, text := "SOAP-ENV:Server", "SYSTEM_FAILURE", err.Error()
	var ex *ABAPException
	switch {
	case errors.As(err, &ex):
		name, text = ex.Key, ex.Text
	case slices.Contains([]int{http.StatusBadRequest, http.StatusNotFound, http.StatusRequestEntityTooLarge}, status(err)):
		code = "SOAP-ENV:Client"
	}
	fmt.Fprintf(b, `<?xml version="1.0" encoding="utf-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="%s"><SOAP-ENV:Body><SOAP-ENV:Fault>`, soapNamespace)
	element(b, "faultcode", code)
	element(b, "faultstring", name)
	fmt.Fprintf(b, `<detail><rfc:Error xmlns:rfc="%s">`, rfcNamespace)
	element(b, "Name", name)
	element(b, "Message", text)
	b.WriteString(`</rfc:Error></detail></SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>`)
}
