// Package testnet is a network in memory for tests.
//
// A [Net] has listeners and connections that are found by address, like TCP, but that need no
// ports and no operating system: several tests may use the same address at the same time, and
// everything works inside a testing/synctest bubble, where waiting for a byte counts as being
// durably blocked and protocol time costs no real time.
//
//	n := testnet.New()
//	ln, err := n.Listen("pg-a:42027")
//	...
//	conn, err := n.DialContext(ctx, "tcp", "pg-a:42027")
//
// Connections are buffered (a Write returns before the other end reads), have deadlines, and end
// like TCP connections: after Close the other end still reads what was written before and then
// gets io.EOF, after [Net.Cut] both ends get a reset.
//
// # Faults
//
// Faults belong to an address and act on the connections that were dialled to it:
//
//   - [Net.Refuse]: dialling fails at once;
//   - [Net.Blackhole]: dialling hangs until the context of the dialler ends;
//   - [Net.Stall]: bytes, and the end of the connection, no longer arrive in either direction,
//     while writers go on until the buffer is full, like a cable that was pulled;
//   - [Net.Cut]: all connections are reset now;
//   - [Net.CutAfter]: new connections are reset after a number of bytes in one direction;
//   - [Net.Chunk]: a Read returns at most a number of bytes.
//
// [Net.Dials] tells which address was dialled when, for tests of an order of attempts.
package testnet
