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
// [Memory] keeps everything in this process. [Bolt] keeps it in a file: what it
// acknowledged survives a crash; its history for watchers does not, so a watcher
// that resumes over a restart gets EventGap. Package ds104test has the suite that
// every implementation passes.
//
// # Errors
//
//	ErrNotFound, ErrRevision   the caller's turn: read again, decide again
//	ErrFull                    try later, or free something
//	ErrTooLarge, ErrInvalid    a mistake of the caller
//	ErrClosed                  final
package ds104
