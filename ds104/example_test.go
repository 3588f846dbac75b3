package ds104_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/connects-go/connects/ds104"
)

// Two connectors agree who owns an agent.
func Example() {
	ctx := context.Background()
	store := ds104.NewMemory(nil)
	defer store.Close()

	lease := ds104.PutOptions{IfAbsent: true, TTL: 30 * time.Second}
	rev, err := store.Put(ctx, "owner/1001", []byte("connector 1"), lease)
	fmt.Println("connector 1:", err)
	_, err = store.Put(ctx, "owner/1001", []byte("connector 2"), lease)
	fmt.Println("connector 2:", errors.Is(err, ds104.ErrRevision))

	// The owner renews its lease, and gives the agent away.
	rev, err = store.Put(ctx, "owner/1001", []byte("connector 1"), ds104.PutOptions{IfRevision: rev, TTL: 30 * time.Second})
	fmt.Println("renewed:", err)
	fmt.Println("given away:", store.Delete(ctx, "owner/1001", rev))

	// Output:
	// connector 1: <nil>
	// connector 2: true
	// renewed: <nil>
	// given away: <nil>
}

// A watcher follows a prefix from the beginning.
func ExampleStore_watch() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var store ds104.Store = ds104.NewMemory(nil)
	for _, state := range []string{"ready", "talking"} {
		if _, err := store.Put(ctx, "agent/1001", []byte(state), ds104.PutOptions{}); err != nil {
			fmt.Println(err)
		}
	}
	if err := store.Delete(ctx, "agent/1001", 0); err != nil {
		fmt.Println(err)
	}
	for ev, err := range store.Watch(ctx, "agent/", 0) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Printf("%v %s %q\n", ev.Kind, ev.Entry.Key, ev.Entry.Value)
		if ev.Kind == ds104.EventDelete {
			cancel()
		}
	}
	// Output:
	// put agent/1001 "ready"
	// put agent/1001 "talking"
	// delete agent/1001 ""
	// context canceled
}
