package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/connects-go/connects/cti"
)

// maxLine is the longest line that decode reads: the largest message in hex with
// blanks between the bytes, and room to spare.
const maxLine = 1 << 20

// decode prints the messages of in as JSON. A line that is no message gives
// {"error":...} and the next line goes on; empty lines and lines that begin with
// # are passed over.
func decode(args []string, in io.Reader, out, errs io.Writer) int {
	flags := flag.NewFlagSet("sniff decode", flag.ContinueOnError)
	flags.SetOutput(errs)
	protocol := flags.String("protocol", "cti", "protocol of the messages: cti")
	version := flags.Uint("version", uint(cti.MaxVersion), "version of the protocol")
	reencode := flags.Bool("reencode", false, "add the message encoded again as \"hex\"")
	summary := flags.Bool("summary-numbers", false, "network recording messages have the numbers 267 to 274")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if *protocol != "cti" {
		fmt.Fprintf(errs, "sniff decode: unknown protocol %q, have cti\n", *protocol)
		return 2
	}
	if *version < uint(cti.MinVersion) || *version > uint(cti.MaxVersion) {
		fmt.Fprintf(errs, "sniff decode: version %d is not between %v and %v\n", *version, cti.MinVersion, cti.MaxVersion)
		return 2
	}
	d := &ctiDecoder{version: cti.Version(*version), reencode: *reencode}
	if *summary {
		d.numbering = cti.SummaryNumbers
	}
	r := bufio.NewReaderSize(in, 64<<10)
	w := bufio.NewWriterSize(out, 64<<10)
	for {
		line, err := readLine(r)
		text := strings.TrimSpace(line)
		switch {
		case errors.Is(err, errLongLine):
			w.Write(appendError(nil, err))
			w.WriteByte('\n')
		case text != "" && !strings.HasPrefix(text, "#"):
			w.Write(d.line(text))
			w.WriteByte('\n')
		}
		if r.Buffered() == 0 {
			if err := w.Flush(); err != nil {
				fmt.Fprintln(errs, "sniff decode:", err)
				return 1
			}
		}
		if err != nil && !errors.Is(err, errLongLine) {
			w.Flush()
			if errors.Is(err, io.EOF) {
				return 0
			}
			fmt.Fprintln(errs, "sniff decode:", err)
			return 1
		}
	}
}

var errLongLine = errors.New("line too long")

// readLine returns the next line, or errLongLine after it has passed over a line
// that is longer than maxLine.
func readLine(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		part, err := r.ReadSlice('\n')
		if b.Len()+len(part) <= maxLine {
			b.Write(part)
		} else {
			b.Reset()
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = r.ReadSlice('\n')
			}
			if err != nil {
				return "", err
			}
			return "", errLongLine
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return b.String(), err
		}
	}
}

// ctiDecoder turns messages of the CTI Server protocol into JSON.
type ctiDecoder struct {
	version   cti.Version
	numbering cti.Numbering
	reencode  bool
}

// line returns the JSON object for one line of input.
func (d *ctiDecoder) line(text string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(strings.TrimPrefix(text, "0x")), ""))
	if err != nil {
		return appendError(nil, err)
	}
	m, err := d.message(b)
	if err != nil {
		return appendError(nil, err)
	}
	return d.appendMessage(nil, m, wireType(b))
}

func (d *ctiDecoder) message(b []byte) (cti.Message, error) {
	if len(b) >= cti.HeaderSize {
		if t := d.numbering.FromWire(wireType(b)); t != wireType(b) {
			c := append([]byte(nil), b...)
			putType(c, t)
			b = c
		}
	}
	return cti.ParseMessage(b, d.version)
}

func wireType(b []byte) cti.MessageType {
	return cti.MessageType(uint32(b[4])<<24 | uint32(b[5])<<16 | uint32(b[6])<<8 | uint32(b[7]))
}

func putType(b []byte, t cti.MessageType) {
	b[4], b[5], b[6], b[7] = byte(t>>24), byte(t>>16), byte(t>>8), byte(t)
}

// appendMessage appends m as JSON; number is the one on the wire.
func (d *ctiDecoder) appendMessage(dst []byte, m cti.Message, number cti.MessageType) []byte {
	info, known := m.Type().Info()
	dst = append(dst, `{"message":`...)
	if known {
		dst = appendString(dst, info.Name)
	} else {
		dst = append(dst, "null"...)
	}
	dst = fmt.Appendf(dst, `,"type":%d`, uint32(number))
	body, raw := cti.RawBody(m)
	if !raw || known && info.Status != cti.Opaque {
		dst = append(dst, `,"fields":`...)
		dst = appendFields(dst, m, d.version, raw)
	}
	if raw && (len(body) > 0 || !known || info.Status == cti.Opaque) {
		dst = append(dst, `,"body":`...)
		dst = appendBytes(dst, body)
	}
	if extra := cti.ExtraFields(m); len(extra) > 0 {
		dst = append(dst, `,"extra":[`...)
		for i, x := range extra {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = fmt.Appendf(dst, "[%d,", uint16(x.Tag))
			dst = append(appendBytes(dst, x.Data), ']')
		}
		dst = append(dst, ']')
	}
	if d.reencode {
		b, err := cti.AppendMessage(nil, m, d.version)
		if err != nil {
			dst = append(dst, `,"error":`...)
			dst = appendString(dst, err.Error())
		} else {
			putType(b, number)
			dst = append(dst, `,"hex":"`...)
			dst = append(hex.AppendEncode(dst, b), '"')
		}
	}
	return append(dst, '}')
}
