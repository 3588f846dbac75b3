// Package ds104test has the conformance suite for implementations of ds104.Store.
//
//	func TestMyStore(t *testing.T) {
//		ds104test.TestStore(t, func(t *testing.T) ds104.Store {
//			s := mystore.New()
//			t.Cleanup(func() { s.Close() })
//			return s
//		}, ds104test.Features{})
//	}
//
// Every test gets a new, empty store. The suite follows the documentation of
// ds104.Store, word by word, and not what an implementation happens to do. It runs
// inside testing/synctest bubbles, where a TTL of an hour costs nothing; a store
// with real sockets or files sets Features.RealTime.
package ds104test
