package natskv_test

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ds104/natskv"
)

// It needs a NATS server with JetStream, so it has no output here.
func Example() {
	ctx := context.Background()
	nc, err := nats.Connect(nats.DefaultURL, nats.MaxReconnects(-1))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer nc.Close()
	store, err := natskv.New(ctx, nc, &natskv.Options{Bucket: "connects", InMemory: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	if _, err := store.Put(ctx, "owner/1001", []byte("connector 1"), ds104.PutOptions{IfAbsent: true}); err != nil {
		fmt.Println(err)
		return
	}
	e, err := store.Get(ctx, "owner/1001")
	fmt.Printf("%s since %v: %v\n", e.Value, e.Written, err)
}
