package ds104

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	stderrors "errors"
	"os"
	"strings"

	"github.com/pkg/errors"
	bolt "go.etcd.io/bbolt"
)

// ErrKey: the encryption key does not fit the file.
var ErrKey = stderrors.New("ds104: encryption key does not fit the file")

// KeySize is the size of an encryption key in bytes.
const KeySize = 32

// ReadKeyFile returns the key in a file: 32 bytes as they are, or 64 hexadecimal
// digits, with or without a newline.
func ReadKeyFile(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, errors.Wrap(err, "ds104: key file")
	}
	if len(b) == KeySize {
		return b, nil
	}
	text := strings.TrimSpace(string(b))
	key := make([]byte, KeySize)
	if len(text) == 2*KeySize {
		for i := range key {
			hi, lo := strings.IndexByte(hexDigits, text[2*i]|0x20), strings.IndexByte(hexDigits, text[2*i+1]|0x20)
			if hi < 0 || lo < 0 {
				return nil, stderrors.New("ds104: key file holds no 64 hexadecimal digits")
			}
			key[i] = byte(hi<<4 | lo)
		}
		return key, nil
	}
	return nil, stderrors.New("ds104: key file needs 32 bytes or 64 hexadecimal digits")
}

const hexDigits = "0123456789abcdef"

// boltEntry is what the file holds for a key.
type boltEntry struct {
	rev     Revision
	expires int64 // nanoseconds since 1970, 0 = never
	origin  string
	written int64  // nanoseconds since 1970, 0 = not known
	value   []byte // sealed when the file is
}

// boltHead is revision, expiry, boltWritten, time of writing and the length of the
// origin; boltHead1 is revision, expiry and the length of the origin, at most
// MaxOrigin.
const (
	boltHead1   = 8 + 8 + 1
	boltHead    = 8 + 8 + 1 + 8 + 1
	boltWritten = 0xFF
)

var errDamaged = stderrors.New("ds104: damaged entry")

func unpack(v []byte) (boltEntry, error) {
	if len(v) < boltHead1 {
		return boltEntry{}, errDamaged
	}
	e := boltEntry{rev: Revision(binary.BigEndian.Uint64(v)), expires: int64(binary.BigEndian.Uint64(v[8:]))}
	begin := boltHead1
	if v[16] == boltWritten {
		if begin = boltHead; len(v) < begin {
			return boltEntry{}, errDamaged
		}
		e.written = int64(binary.BigEndian.Uint64(v[17:]))
	}
	end := begin + int(v[begin-1])
	if len(v) < end {
		return boltEntry{}, errDamaged
	}
	e.origin, e.value = string(v[begin:end]), v[end:]
	return e, nil
}

// pack returns the bytes for the file; the value of e is plain.
func (b *Bolt) pack(key []byte, e boltEntry) []byte {
	v := make([]byte, 0, boltHead+len(e.origin)+len(e.value)+sealSize)
	v = binary.BigEndian.AppendUint64(v, uint64(e.rev))
	v = binary.BigEndian.AppendUint64(v, uint64(e.expires))
	v = append(v, boltWritten)
	v = binary.BigEndian.AppendUint64(v, uint64(e.written))
	v = append(v, byte(len(e.origin)))
	v = append(v, e.origin...)
	if b.seal == nil {
		return append(v, e.value...)
	}
	return b.sealTo(v, key, e.value)
}

// sealSize is what encryption adds to a value: nonce and tag.
const sealSize = 12 + 16

func (b *Bolt) sealTo(dst, key, plain []byte) []byte {
	nonce := make([]byte, 12)
	_, _ = rand.Read(nonce) // never fails
	return b.seal.Seal(append(dst, nonce...), nonce, plain, key)
}

func (b *Bolt) open(key, sealed []byte) ([]byte, error) {
	if len(sealed) < sealSize {
		return nil, errDamaged
	}
	plain, err := b.seal.Open(nil, sealed[:12], sealed[12:], key)
	return plain, errors.Wrap(err, "ds104: damaged entry")
}

// plainSize returns the size of a value from its size in the file.
func (b *Bolt) plainSize(v []byte) int {
	if b.seal != nil {
		return max(len(v)-sealSize, 0)
	}
	return len(v)
}

// entry copies a stored value out of the mapped file.
func (b *Bolt) entry(key, v []byte) (Entry, int64, error) {
	h, err := unpack(v)
	if err != nil {
		return Entry{}, 0, err
	}
	e := Entry{Key: string(key), Revision: h.rev, Expires: b.clock.time(h.expires), Origin: h.origin, Written: writtenOf(h.written)}
	if b.seal == nil {
		e.Value = bytes.Clone(h.value)
	} else if e.Value, err = b.open(key, h.value); err != nil {
		return Entry{}, 0, err
	}
	return e, h.expires, nil
}

// setKey prepares the encryption.
func (b *Bolt) setKey() error {
	seal, err := newSeal(b.opts.Key)
	b.opts.Key, b.seal = nil, seal
	return err
}

// newSeal returns the encryption with a key; nil = none.
func newSeal(key []byte) (cipher.AEAD, error) {
	if key == nil {
		return nil, nil
	}
	if len(key) != KeySize {
		return nil, stderrors.New("ds104: option Key: needs 32 bytes")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, errors.Wrap(err, "ds104: option Key")
	}
	seal, err := cipher.NewGCM(block)
	return seal, errors.Wrap(err, "ds104: option Key")
}

// checkKey compares the key with the one that the file was made with.
func (b *Bolt) checkKey(meta *bolt.Bucket) error {
	sealed := meta.Get(keySealed)
	switch fresh := meta.Get(keyCounts) == nil; {
	case b.seal == nil && sealed == nil:
		return nil
	case b.seal != nil && sealed == nil && fresh:
		return meta.Put(keySealed, b.sealTo(nil, keySealed, []byte("ds104")))
	case b.seal == nil || sealed == nil:
		return ErrKey
	}
	if plain, err := b.open(keySealed, sealed); err != nil || string(plain) != "ds104" {
		return ErrKey
	}
	return nil
}
