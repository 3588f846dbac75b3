// Package proto is the DS104 protocol: the messages between connectors and data
// stores, and this text, which is its specification. Most users need package ds104,
// which speaks it; this package is for tools that look at the bytes.
//
// # Transport
//
// DS104 runs over TCP, by default port 42029, optionally inside TLS, also with
// certificates of the client. All numbers are unsigned and in network byte order.
//
// # Frames
//
//	bytes  field
//	4      length of the body
//	4      message type
//	n      body: fixed part, then tagged fields
//
// The fixed part has the fields of the message in the order of its documentation:
// UINT of four bytes, USHORT and BOOL of two, ULONG of eight. A tagged field is
//
//	bytes  field
//	4      tag, at most 65535
//	4      length of the data
//	n      data
//
// STRING is UTF-8 closed by a NUL, UNSPEC any bytes, numbers as in the fixed part.
// Tagged fields stand in any order; a list is its fields again and again, each entry
// opened by its first field, KEY_TAG or NAME_TAG. Whoever does not know a tag ignores
// it, so new fields need no new version. A body that ends within a field ends the
// connection.
//
// Before OPEN_CONF no body may have more than 8192 bytes, afterwards no more than
// MaxValue of OPEN_CONF and 65536. A longer one ends the connection before anything
// of it is read.
//
// # Opening
//
// The client sends OPEN_REQ, first and once, within the time that the server grants
// (five seconds), with the highest version that it knows and the token. The server
// answers OPEN_CONF with the version that holds, or FAILURE_CONF and closes:
// STATUS_AUTH, STATUS_VERSION, STATUS_BUSY (too many connections), STATUS_INVALID,
// STATUS_NAME_IN_USE (see below).
// Version 1 is described here. A message type that a server does not know is answered
// with FAILURE_CONF STATUS_UNSUPPORTED.
//
// # Requests
//
// Every request begins with an InvokeID, chosen by the client and unique among its
// requests and watches under way. It is answered by one message with the same id: the
// confirmation or FAILURE_CONF. A client sends as many requests as it likes without
// waiting; answers come in any order. A server that has many requests, or many bytes
// to send, stops reading until there is room again; a client that does not take its
// answers within the time that the server grants (ten seconds) is dropped.
//
// # Heartbeats
//
// HeartbeatMillis of OPEN_REQ promises that the client sends something at least that
// often; HEARTBEAT_REQ serves when there is nothing else. The server drops a client
// that was silent for three intervals; the client gives up a server that was silent
// for four.
//
// # Times
//
// Nothing is decided by a moment that was sent, because clocks differ: TTL is how many
// nanoseconds an entry lives from the moment of sending, 0 = for ever. WRITTEN_TAG alone
// is a moment, of the clock of the store that took the write, for people; a store that
// does not know it leaves it out.
//
// # Watches
//
// WATCH_REQ asks for the changes of a prefix after a revision. After WATCH_CONF come
// CHANGE_EVENTs with WatchID, in the order of their revisions and each once. What the
// server does not remember is one CHANGE_GAP: the client lists, and goes on with
// changes after the revision of the gap. UNWATCH_REQ ends a watch; WATCH_END_EVENT
// says that the server ended it.
//
// # Two sides
//
// Servers of a pair have Side 1 (A) and 2 (B). A revision of a pair has the term in
// its upper 24 bits; in terms with an odd number only A can decide, in the others
// only B. OPEN_VOTER marks a connector; its ClientID is its name as a voter. Two voters
// of one name would be counted as one and could vote for both sides, so a voter chooses
// an Instance of up to 16 bytes at random, and the server refuses a connection with
// another Instance while one of that name is there. An empty one is not compared. The
// connector sends writes with PUT_LEAD and the term to the side that decides; the side
// answers STATUS_UNDECIDED unless it decides in that very term. The connector brings
// the result to the other side with APPLY_REQ, which keeps the higher revision of two.
// VOTE_REQ asks a side to decide in a term; it does once more than half of the voters
// that it knows ask for it, and as long as at least half of them are connected. All
// Terms that are sent are the highest known: who sees a higher one goes over to it.
// CLOSE_REQ says that the voter does not come back: the end of its last connection takes
// it off the list. All of its connections say so, also one that waits for OPEN_CONF yet.
// See ds104.Pair for the whole rule.
//
// DIGEST_REQ asks for 1024 sums. The bucket of a key is h(key) mod 1024, where h is
// FNV-1a with 64 bits followed by the finalizer f of SplitMix64; a bucket's sum is the
// exclusive or of f(h xor 2*revision), of f((h xor 2*revision)+1) for a deletion, over
// its keys. SCAN_REQ yields keys and revisions of the buckets whose sums differ.
//
// # Example
//
// GET_REQ with invoke id 7 for the key "ab":
//
//	00 00 00 0e  00 00 00 14  00 00 00 07  00 00 00 05  00 00 00 02  61 62
package proto
