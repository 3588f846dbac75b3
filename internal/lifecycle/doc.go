// Package lifecycle has the words that a node and its components share:
// [Component], [Factory] and [Host], and the three things that must not be
// mixed up: [Phase] is the life of the object, [State] is what the service does
// in its redundancy group, [Condition] is how well it does it.
//
// The package exists so that component logic below internal need not import the
// root package; the root package aliases everything here.
//
// A component keeps to these rules:
//
//   - A Factory reads its configuration and allocates memory, nothing that has
//     to be released: no goroutine, no socket, no file.
//   - Start returns when the component is ready to serve: its listeners are
//     bound. Ready is not connected: outbound connections are made in the
//     background, for ever, and the component reports ConditionDegraded until
//     they are up.
//   - The context of Start covers the start alone. Background work runs under a
//     context that the component makes itself and cancels in Stop.
//   - A Start that fails leaves nothing behind; Stop is not called then.
//   - Stop can be called again and without Start, and returns when every
//     goroutine of the component has ended or its context is done.
//   - Every goroutine begins with `defer lifecycle.Recover(host)`, or is started
//     with [Go], so that a panic stops the node instead of the process.
package lifecycle
