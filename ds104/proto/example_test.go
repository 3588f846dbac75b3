package proto_test

import (
	"bytes"
	"fmt"

	"github.com/connects-go/connects/ds104/proto"
	"github.com/connects-go/connects/internal/wire"
)

// The bytes of the package documentation, made and read again.
func Example() {
	frame, err := proto.AppendMessage(nil, &proto.GetReq{InvokeID: 7, Key: []byte("ab")})
	fmt.Printf("% x, %v\n", frame, err)

	typ, body, err := wire.NewFrameReader(bytes.NewReader(frame), 1<<10).Next()
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := proto.DecodeMessage(proto.MessageType(typ), body)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(proto.Text(m))
	// Values and tokens are not shown.
	fmt.Println(proto.Text(&proto.PutReq{InvokeID: 8, Key: []byte("ab"), Value: []byte("hush")}))
	// Output:
	// 00 00 00 0e 00 00 00 14 00 00 00 07 00 00 00 05 00 00 00 02 61 62, <nil>
	// GET_REQ InvokeID=7 Key="ab"
	// PUT_REQ InvokeID=8 Flags=0 Term=0 IfRevision=0 TTL=0 Key="ab" Value=****
}
