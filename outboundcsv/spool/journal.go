package spool

import (
	"encoding/json"
	stderrors "errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/pkg/errors"
	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// journalVersion is that of the file format.
const journalVersion = 1

var (
	bucketMeta  = []byte("meta")
	bucketLists = []byte("lists") // id -> List as JSON
	bucketKeys  = []byte("keys")  // claim key -> claim as JSON
	bucketTombs = []byte("tombs") // list id, 0, call id -> removedMark or nothing
)

// journal is the durable memory of a queue. Every method is one flushed
// transaction.
type journal struct{ db *bolt.DB }

func openJournal(dir string, wait time.Duration) (*journal, error) {
	db, err := bolt.Open(filepath.Join(dir, "journal.db"), 0o600, &bolt.Options{Timeout: wait})
	if stderrors.Is(err, bolterrors.ErrTimeout) {
		return nil, ErrLocked
	}
	if err != nil {
		return nil, errors.Wrap(err, "spool: journal")
	}
	err = db.Update(func(tx *bolt.Tx) error {
		meta, err := tx.CreateBucketIfNotExists(bucketMeta)
		if err != nil {
			return err
		}
		if v := meta.Get([]byte("version")); v == nil {
			if err := meta.Put([]byte("version"), []byte{journalVersion}); err != nil {
				return err
			}
		} else if len(v) != 1 || v[0] > journalVersion {
			return ErrVersion
		}
		for _, b := range [][]byte{bucketLists, bucketKeys, bucketTombs} {
			if _, err := tx.CreateBucketIfNotExists(b); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, stderrors.Join(err, db.Close())
	}
	return &journal{db}, nil
}

// nextID reserves an id. A reserved id that is never used leaves a gap.
func (j *journal) nextID() (string, error) {
	var id string
	err := j.db.Update(func(tx *bolt.Tx) error {
		n, err := tx.Bucket(bucketLists).NextSequence()
		id = fmt.Sprintf("%010d", n)
		return err
	})
	return id, spoolError("journal", err)
}

// put writes lists and claims in one transaction.
func (j *journal) put(claims map[string]claim, lists ...*List) error {
	err := j.db.Update(func(tx *bolt.Tx) error {
		for _, l := range lists {
			b, err := json.Marshal(l)
			if err != nil {
				return err
			}
			if err := tx.Bucket(bucketLists).Put([]byte(l.ID), b); err != nil {
				return err
			}
		}
		for k, c := range claims {
			b, err := json.Marshal(c)
			if err != nil {
				return err
			}
			if err := tx.Bucket(bucketKeys).Put([]byte(k), b); err != nil {
				return err
			}
		}
		return nil
	})
	return spoolError("journal", err)
}

// lists reads all lists, in order of their ids.
func (j *journal) lists() ([]*List, error) {
	var out []*List
	err := j.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketLists).ForEach(func(k, v []byte) error {
			l := &List{}
			if err := json.Unmarshal(v, l); err != nil {
				return fmt.Errorf("%w: list %s", ErrJournal, k)
			}
			out = append(out, l)
			return nil
		})
	})
	return out, err
}

// claim returns what is known of a key; an expired claim is none.
func (j *journal) claim(key string, now time.Time) (c claim, ok bool, err error) {
	err = j.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketKeys).Get([]byte(key))
		if b == nil {
			return nil
		}
		if err := json.Unmarshal(b, &c); err != nil {
			return fmt.Errorf("%w: key", ErrJournal)
		}
		ok = c.Expires.After(now)
		return nil
	})
	return c, ok, err
}

// removedMark is the value of a tomb whose row will not be dialled; of others it was
// not known when they were written, or it was too late.
var removedMark = []byte{1}

// bury notes deleted ids of lists, together with the changed lists; removed says that
// they will not be dialled from here.
func (j *journal) bury(tombs map[string][]string, removed bool, lists ...*List) error {
	var mark []byte
	if removed {
		mark = removedMark
	}
	err := j.db.Update(func(tx *bolt.Tx) error {
		for list, ids := range tombs {
			for _, id := range ids {
				if err := tx.Bucket(bucketTombs).Put([]byte(list+"\x00"+id), mark); err != nil {
					return err
				}
			}
		}
		for _, l := range lists {
			b, err := json.Marshal(l)
			if err != nil {
				return err
			}
			if err := tx.Bucket(bucketLists).Put([]byte(l.ID), b); err != nil {
				return err
			}
		}
		return nil
	})
	return spoolError("journal", err)
}

// removed returns which of the ids were taken out of a list in time.
func (j *journal) removed(list string, ids []string) (map[string]bool, error) {
	out := map[string]bool{}
	err := j.db.View(func(tx *bolt.Tx) error {
		for _, id := range ids {
			if v := tx.Bucket(bucketTombs).Get([]byte(list + "\x00" + id)); len(v) > 0 {
				out[id] = true
			}
		}
		return nil
	})
	return out, spoolError("journal", err)
}

// tombs returns the deleted ids of a list, and whether they were taken out in time.
func (j *journal) tombs(list string) (map[string]bool, error) {
	out := map[string]bool{}
	prefix := list + "\x00"
	err := j.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketTombs).Cursor()
		for k, v := c.Seek([]byte(prefix)); len(k) >= len(prefix) && string(k[:len(prefix)]) == prefix; k, v = c.Next() {
			out[string(k[len(prefix):])] = len(v) > 0
		}
		return nil
	})
	return out, spoolError("journal", err)
}

// forget removes lists with what belongs to them, and expired claims.
func (j *journal) forget(lists []string, now time.Time) error {
	err := j.db.Update(func(tx *bolt.Tx) error {
		for _, id := range lists {
			if err := tx.Bucket(bucketLists).Delete([]byte(id)); err != nil {
				return err
			}
			prefix := id + "\x00"
			c := tx.Bucket(bucketTombs).Cursor()
			for k, _ := c.Seek([]byte(prefix)); len(k) >= len(prefix) && string(k[:len(prefix)]) == prefix; k, _ = c.Seek([]byte(prefix)) {
				if err := c.Delete(); err != nil {
					return err
				}
			}
		}
		var gone [][]byte
		err := tx.Bucket(bucketKeys).ForEach(func(k, v []byte) error {
			var c claim
			if json.Unmarshal(v, &c) != nil || !c.Expires.After(now) {
				gone = append(gone, append([]byte(nil), k...))
			}
			return nil
		})
		for _, k := range gone {
			err = stderrors.Join(err, tx.Bucket(bucketKeys).Delete(k))
		}
		return err
	})
	return spoolError("journal", err)
}

func (j *journal) close() error { return errors.Wrap(j.db.Close(), "spool: journal") }
