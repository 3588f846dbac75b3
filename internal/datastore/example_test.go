package datastore_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/internal/datastore"
)

// A session of an operator.
func Example() {
	ctx := context.Background()
	store := ds104.NewMemory(nil)
	defer store.Close()
	for _, key := range []string{"call/4711", "call/4712"} {
		if _, err := store.Put(ctx, key, []byte("hush"), ds104.PutOptions{Origin: "connector 1"}); err != nil {
			fmt.Println(err)
			return
		}
	}
	server, err := ds104.NewServer(store, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	view := &datastore.View{Name: "store 1", Store: store, Server: server, Started: time.Now(),
		Partner: func() (datastore.Partner, bool) { return datastore.Partner{}, false }}
	for _, line := range [][]string{{"origins"}, {"expire", "call/4711"}, {"expire", "call/4711"}, {"origins"}, {"restore", "../etc"}} {
		fmt.Println(">", line)
		for _, c := range view.Commands() {
			if c.Name == line[0] {
				if err := c.Run(ctx, os.Stdout, line[1:]); err != nil {
					fmt.Println("error:", err)
				}
			}
		}
	}
	// Output:
	// > [origins]
	// "connector 1"  26 bytes  2 entries
	// > [expire call/4711]
	// ended
	// > [expire call/4711]
	// error: ds104: not found
	// > [origins]
	// "connector 1"  13 bytes  1 entries
	// > [restore ../etc]
	// error: no directory for files is configured
}
