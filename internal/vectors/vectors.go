// Package vectors reads files of test vectors: bytes in hex with comments, and
// what they mean.
//
//	# a comment, up to the end of the line
//	## name of the vector
//	version 24
//	00000004 00000005   # header
//	0000000a            # InvokeID
//	json {"message":"HEARTBEAT_REQ", ...}
//	again
//	00000004 ...
//
// The bytes after "again" are what encoding gives when it does not give the same
// bytes. Instead of json a vector may have
//
//	error HEARTBEAT_REQ InvokeID 8 truncated
//
// for bytes that are no message: name of the message or "-", field, offset and
// reason. Only tests use this package.
package vectors

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Vector is one vector.
type Vector struct {
	File    string // name of the file without directory and ending
	Name    string
	Version int
	Bytes   []byte
	JSON    string // what the bytes mean; empty for an error
	Again   []byte // what encoding gives
	Error   []string
}

// Read returns the vectors of all *.txt files of a directory, by file name.
func Read(dir string) ([]Vector, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	var all []Vector
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		v, err := parse(strings.TrimSuffix(filepath.Base(f), ".txt"), string(b))
		if err != nil {
			return nil, err
		}
		all = append(all, v...)
	}
	return all, nil
}

func parse(file, text string) ([]Vector, error) {
	var all []Vector
	var cur *Vector
	var into *[]byte
	for n, line := range strings.Split(text, "\n") {
		fail := func(format string, args ...any) error {
			return fmt.Errorf("%s.txt:%d: %s", file, n+1, fmt.Sprintf(format, args...))
		}
		if name, ok := strings.CutPrefix(line, "## "); ok {
			all = append(all, Vector{File: file, Name: name})
			cur = &all[len(all)-1]
			into = &cur.Bytes
			continue
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if cur == nil {
			return nil, fail("bytes before a vector")
		}
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "version":
			v, err := strconv.Atoi(rest)
			if err != nil {
				return nil, fail("%v", err)
			}
			cur.Version = v
		case "json":
			cur.JSON = rest
		case "error":
			if cur.Error = strings.Fields(rest); len(cur.Error) != 4 {
				return nil, fail("want message, field, offset, reason")
			}
		case "again":
			into = &cur.Again
		default:
			code, _, _ := strings.Cut(line, "#")
			b, err := hex.DecodeString(strings.Join(strings.Fields(code), ""))
			if err != nil {
				return nil, fail("%v", err)
			}
			*into = append(*into, b...)
		}
	}
	for i := range all {
		v := &all[i]
		if v.Version == 0 || (v.JSON == "") == (v.Error == nil) {
			return nil, fmt.Errorf("%s.txt: %s: needs a version, and json or error", file, v.Name)
		}
		if v.Again == nil {
			v.Again = v.Bytes
		}
	}
	return all, nil
}
