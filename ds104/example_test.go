package ds104_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
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

// exampleServer serves a store on a free port and returns its address and how to end it.
func exampleServer(st ds104.Store, o *ds104.ServerOptions) (addr string, stop func()) {
	server, err := ds104.NewServer(st, o)
	if err != nil {
		panic(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ln) }()
	return ln.Addr().String(), func() { _, _ = server.Close(), <-ended }
}

// A server offers a store to other machines, and ends without losing an answer.
func ExampleServer() {
	store := ds104.NewMemory(&ds104.MemoryOptions{MaxOriginBytes: 1000})
	defer store.Close()
	server, err := ds104.NewServer(store, &ds104.ServerOptions{Name: "store 1", Token: "s3cret"})
	if err != nil {
		fmt.Println(err)
		return
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0") // in a product ":42029"
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ln) }()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	client, err := ds104.Dial(ctx, ln.Addr().String(), &ds104.ClientOptions{Name: "connector 1", Token: "s3cret"})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.Put(ctx, "call/4711", make([]byte, 500), ds104.PutOptions{})
	fmt.Println("first:", err)
	_, err = client.Put(ctx, "call/4712", make([]byte, 500), ds104.PutOptions{})
	fmt.Println("second:", errors.Is(err, ds104.ErrQuota))
	for _, o := range store.Origins(10) {
		fmt.Println(o.Origin, "has", o.Bytes, "bytes")
	}
	_ = client.Close()

	fmt.Println("shutdown:", server.Shutdown(ctx))
	fmt.Println("served:", <-ended)
	// Output:
	// first: <nil>
	// second: true
	// connector 1 has 509 bytes
	// shutdown: <nil>
	// served: ds104: server is closed
}

// A client is a store on another machine.
func ExampleClient() {
	store := ds104.NewMemory(nil)
	defer store.Close()
	addr, stop := exampleServer(store, nil)
	defer stop()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	client, err := ds104.Dial(ctx, addr, &ds104.ClientOptions{Name: "connector 1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	rev, err := client.Put(ctx, "call/4711", []byte("Zürich"), ds104.PutOptions{TTL: time.Hour})
	fmt.Println("put:", err)
	e, err := client.Get(ctx, "call/4711")
	fmt.Printf("get: %s by %s, %v; %v\n", e.Value, e.Origin, e.Revision == rev, err)
	fmt.Println("age below a minute:", time.Since(e.Written) < time.Minute)
	for e, err := range client.List(ctx, "call/") {
		fmt.Println("list:", e.Key, err)
	}
	_, err = client.Put(ctx, "call/4711", nil, ds104.PutOptions{IfAbsent: true})
	fmt.Println("again:", err)
	fmt.Println("delete:", client.Delete(ctx, "call/4711", rev))
	// Output:
	// put: <nil>
	// get: Zürich by connector 1, true; <nil>
	// age below a minute: true
	// list: call/4711 <nil>
	// again: ds104: revision does not match
	// delete: <nil>
}

// examplePair starts both sides of a pair.
func examplePair() (addrs [2]string, stop [2]func()) {
	for i, side := range []ds104.Side{ds104.SideA, ds104.SideB} {
		addrs[i], stop[i] = exampleServer(ds104.NewMemory(&ds104.MemoryOptions{Side: side}), &ds104.ServerOptions{Side: side})
	}
	return addrs, stop
}

// A pair survives the end of one side.
func ExamplePair() {
	addrs, stop := examplePair()
	defer stop[1]()
	pair, err := ds104.NewPair(ds104.PairOptions{A: addrs[0], B: addrs[1], Client: ds104.ClientOptions{Name: "connector 1"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pair.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := pair.WaitReady(ctx); err != nil {
		fmt.Println(err)
		return
	}
	rev, err := pair.Put(ctx, "owner/1001", []byte("connector 1"), ds104.PutOptions{IfAbsent: true})
	fmt.Println("side", pair.Stats().Lead, "decides:", err)

	stop[0]()
	_, err = pair.Put(ctx, "owner/1001", []byte("connector 1"), ds104.PutOptions{IfRevision: rev})
	fmt.Println("side", pair.Stats().Lead, "decides:", err)
	// Output:
	// side A decides: <nil>
	// side B decides: <nil>
}

// With two connectors on two machines, a witness on a third one is the vote that lets the
// machine that is left go on.
func ExampleWitness() {
	addrs, stop := examplePair()
	defer stop[1]()
	voter := func(name string) ds104.PairOptions {
		return ds104.PairOptions{A: addrs[0], B: addrs[1], Client: ds104.ClientOptions{Name: name}}
	}
	witness, err := ds104.NewWitness(voter("witness"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer witness.Close()
	machineA, err := ds104.NewPair(voter("connector A"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer machineA.Close()
	machineB, err := ds104.NewPair(voter("connector B"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer machineB.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, p := range []interface{ WaitReady(context.Context) error }{witness, machineA, machineB} {
		if err := p.WaitReady(ctx); err != nil {
			fmt.Println(err)
			return
		}
	}
	if _, err := machineA.Put(ctx, "owner/1001", []byte("connector A"), ds104.PutOptions{IfAbsent: true}); err != nil {
		fmt.Println(err)
		return
	}
	stop[0]()
	_ = machineA.Close()
	e, err := machineB.Get(ctx, "owner/1001")
	fmt.Printf("%s was the owner: %v\n", e.Value, err)
	_, err = machineB.Put(ctx, "owner/1001", []byte("connector B"), ds104.PutOptions{IfRevision: e.Revision})
	fmt.Println("taken over:", err)
	// Output:
	// connector A was the owner: <nil>
	// taken over: <nil>
}

// A snapshot brings a store back, but nothing that is newer.
func ExampleLoadSnapshot() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "ds104")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	store := ds104.NewMemory(nil)
	defer store.Close()
	for _, key := range []string{"a", "b"} {
		_, _ = store.Put(ctx, key, []byte("before"), ds104.PutOptions{})
	}
	n, err := ds104.SaveSnapshot(ctx, store, filepath.Join(dir, "snapshot"))
	fmt.Println("saved:", n, err)

	_, _ = store.Put(ctx, "a", []byte("after"), ds104.PutOptions{})
	_ = store.Delete(ctx, "b", 0)
	got, err := ds104.LoadSnapshot(ctx, store, filepath.Join(dir, "snapshot"), nil)
	fmt.Println("written:", got.Written, "newer here:", got.Newer, err)
	for e := range store.List(ctx, "") {
		fmt.Printf("%s %s\n", e.Key, e.Value)
	}
	// Output:
	// saved: 2 <nil>
	// written: 1 newer here: 1 <nil>
	// a after
	// b before
}
