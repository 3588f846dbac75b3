package cti_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/connects-go/connects/cti"
)

func ExampleParseMessage() {
	b, _ := hex.DecodeString("0000001b" + "00000036" + // header: 27 bytes, HOLD_CALL_REQ
		"00000007" + "00001388" + "01000001" + "0000" + "0000" + // fixed part
		"0019" + "0007" + "323030312f3000") // tag 25, 7 bytes
	m, err := cti.ParseMessage(b, cti.Version24)
	if err != nil {
		fmt.Println(err)
		return
	}
	hold := m.(*cti.HoldCallReq)
	fmt.Println(hold.Type(), hold.ConnectionCallID, hold.ConnectionDeviceID)
	// Output: HOLD_CALL_REQ 16777217 2001/0
}

func ExampleParseMessage_broken() {
	_, err := cti.ParseMessage([]byte{0, 0, 0, 2, 0, 0, 0, 5, 0, 0}, cti.Version24)
	var de *cti.DecodeError
	if errors.As(err, &de) {
		fmt.Println(de.Message, de.Field, de.Offset, errors.Is(err, cti.ErrTruncated))
	}
	// Output: HEARTBEAT_REQ InvokeID 8 true
}

func ExampleAppendMessage() {
	b, err := cti.AppendMessage(nil, &cti.HeartbeatReq{InvokeID: 10}, cti.Version24)
	fmt.Printf("%x %v\n", b, err)
	// Output: 00000004000000050000000a <nil>
}

func ExampleFrameReader() {
	stream := bytes.NewReader([]byte("\x00\x00\x00\x04\x00\x00\x00\x05\x00\x00\x00\x01" + "\x00\x00\x00\x04\x00\x00\x00\x06\x00\x00\x00\x01"))
	r := cti.NewFrameReader(stream, cti.Version24)
	for {
		m, err := r.ReadMessage()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(m)
	}
	// Output:
	// HEARTBEAT_REQ InvokeID=1
	// HEARTBEAT_CONF InvokeID=1
}

// An empty text is not written, unless it is marked: this clears a call variable.
func ExampleSetCallDataReq_Mark() {
	m := &cti.SetCallDataReq{ConnectionCallID: 16777217, ConnectionDeviceID: "2001/0", CallVariable2: "gold"}
	m.Mark(cti.TagCallVar1)
	m.VisitFields(cti.Version24, func(f cti.FieldValue) bool {
		if f.Kind == cti.KindText {
			fmt.Printf("%s=%q\n", f.Name, f.Text)
		}
		return true
	})
	// Output:
	// ConnectionDeviceID="2001/0"
	// CallVariable1=""
	// CallVariable2="gold"
}
