//go:build !linux

package spool

import (
	"errors"
	"io/fs"
	"os"
)

// renameNew renames a file and fails with fs.ErrExist when the new name is
// taken. It looks before it renames: only we write that name.
func renameNew(from, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return &fs.PathError{Op: "rename", Path: to, Err: fs.ErrExist}
	}
	return os.Rename(from, to)
}

// renameAtOnce would do it in one system call.
func renameAtOnce(_, to string) error {
	return &fs.PathError{Op: "rename", Path: to, Err: errors.ErrUnsupported}
}
