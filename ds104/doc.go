// Package ds104 is the data store: what must survive a restart or a change of
// instance goes through a [Store], and nothing else remembers it.
//
// # Store
//
// A Store keeps byte values under text keys: [Store.Get], [Store.Put],
// [Store.Delete], [Store.List] by prefix in key order, and [Store.Watch] for what
// changes. Every change gets a [Revision], and Put and Delete can be bound to one.
// That compare-and-swap is how connectors agree who owns an agent:
//
//	rev, err := store.Put(ctx, "owner/1001", me, ds104.PutOptions{IfAbsent: true, TTL: lease})
//	switch {
//	case errors.Is(err, ds104.ErrRevision): // somebody else owns the agent
//	case err == nil:
//		// ours until the lease ends; renew it with IfRevision: rev
//	}
//
// # Time to live
//
// An entry with a TTL vanishes by itself: Get and List do not see it from that
// moment on, and watchers get EventDelete. A further Put sets a new TTL, or none.
//
// # Watching
//
// Changes arrive in order and once. A store remembers a bounded number of them;
// whoever asks for older ones, or reads too slowly, gets [EventGap] instead and
// lists again. To follow a prefix from the beginning:
//
//	for ev, err := range store.Watch(ctx, "owner/", 0) {
//		switch {
//		case err != nil:
//			return err
//		case ev.Kind == ds104.EventGap:
//			// forget what was known, List, and go on: newer changes follow
//		}
//	}
//
// # Implementations
//
//	Memory          in this process; the end of the process is the end of its values
//	Log             in memory, every change also in a directory; what was acknowledged
//	                survives a crash, also of the machine
//	Bolt            in a file, the same; slower by far, may hold more than the memory
//	Client          on a Server that offers one of the above to other machines
//	Pair            on two servers, A and B, that hold the same: survives the end of one;
//	                with two machines only, add a Witness or TieAfter: see Pair, Layouts
//	natskv.Store    in NATS JetStream, on one server or several
//
// Package ds104test has the suite that every one of them passes.
//
// What is linearizable: all operations on a Memory, a Log, a Bolt, and one server through a
// Client. Of a Pair, conditional and unconditional writes while a side decides, and reads
// from that side; a read that goes to the other side, because the deciding one does not
// answer, sees everything that was acknowledged, and may see a write that is still under
// way. See [Pair] for who decides and what happens when the network is split, and package
// natskv for what is certain there. A List is not one moment, see [Store].
//
// What survives: nothing of a Memory, except in a snapshot ([SaveSnapshot]); of a Log or a
// Bolt every acknowledged write, and nobody sees a write before it would survive. Their
// history for watchers does not survive, so that a watcher that resumes over a restart gets
// EventGap. Of a Pair survives every acknowledged write as long as one side lives.
// Deletions are remembered for [TombAge], in a Memory or a Log the newest 200,000: a side
// that was away for longer should be emptied before it comes back.
//
// # Over the network
//
//	server, err := ds104.NewServer(store, &ds104.ServerOptions{Token: token})
//	go server.Serve(ln)
//	...
//	client, err := ds104.Dial(ctx, "store:42029", &ds104.ClientOptions{Name: "connector-1", Token: token})
//
// The protocol is specified in package proto. A client holds few connections, which all
// callers share, and opens them again by itself. Limits: connections, requests under way,
// bytes that wait, size of values, and what one client may store (MaxOriginBytes); a
// store that is full refuses, it never evicts.
//
// At 500 ms round trip a read of a Pair takes 500 ms and a write one second, one round trip
// to each side; a thousand writes at once take the same second. Choose
// ClientOptions.HeartbeatInterval not below the round trip.
//
// # Errors
//
//	ErrNotFound, ErrRevision   the caller's turn: read again, decide again
//	ErrFull                    try later, or free something; ErrQuota: of your own
//	ErrTooLarge, ErrInvalid    a mistake of the caller
//	ErrDown                    nothing was done: no connection
//	ErrInternal                the store of a server has failed; its log says why
//	ErrInterrupted             of a write: it may have been done
//	ErrUndecided               of a conditional write to a Pair: no side decides now
//	ErrClosed                  final
package ds104
