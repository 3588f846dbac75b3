package ds104

import (
	"slices"
	"strings"
)

// blockSize is the most keys in one block of a keyList.
const blockSize = 512

// keyList keeps keys in byte order, in blocks, so that inserting moves little.
// No block is empty.
type keyList struct{ blocks [][]string }

// find returns the block where key is or belongs, and its place in it.
func (l *keyList) find(key string) (block, at int, found bool) {
	block, found = slices.BinarySearchFunc(l.blocks, key, func(b []string, key string) int {
		return strings.Compare(b[0], key)
	})
	if found {
		return block, 0, true
	}
	block = max(block-1, 0) // the last block that begins before key
	if len(l.blocks) > 0 {
		at, found = slices.BinarySearch(l.blocks[block], key)
	}
	return block, at, found
}

func (l *keyList) insert(key string) {
	if len(l.blocks) == 0 {
		l.blocks = [][]string{{key}}
		return
	}
	i, at, found := l.find(key)
	if found {
		return
	}
	b := slices.Insert(l.blocks[i], at, key)
	l.blocks[i] = b
	if len(b) > blockSize {
		half := len(b) / 2
		l.blocks = slices.Insert(l.blocks, i+1, slices.Clone(b[half:]))
		clear(b[half:])
		l.blocks[i] = b[:half]
	}
}

func (l *keyList) remove(key string) {
	i, at, found := l.find(key)
	if !found {
		return
	}
	if len(l.blocks[i]) == 1 {
		l.blocks = slices.Delete(l.blocks, i, i+1)
		return
	}
	l.blocks[i] = slices.Delete(l.blocks[i], at, at+1)
}

// ascend calls f for the keys from the given one on until f returns false.
func (l *keyList) ascend(from string, f func(string) bool) {
	i, at, _ := l.find(from)
	for ; i < len(l.blocks); i, at = i+1, 0 {
		for _, key := range l.blocks[i][at:] {
			if !f(key) {
				return
			}
		}
	}
}
