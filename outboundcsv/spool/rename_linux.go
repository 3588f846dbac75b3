package spool

import (
	stderrors "errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// renameNew renames a file and fails with fs.ErrExist when the new name is
// taken. A single system call does both, where the file system can (NFS cannot).
func renameNew(from, to string) error {
	err := renameAtOnce(from, to)
	if stderrors.Is(err, stderrors.ErrUnsupported) {
		return renameLooking(from, to)
	}
	return err
}

// renameAtOnce is renameNew in one system call, or errors.ErrUnsupported.
func renameAtOnce(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if stderrors.Is(err, unix.EINVAL) || stderrors.Is(err, unix.ENOSYS) || stderrors.Is(err, unix.EOPNOTSUPP) {
		err = stderrors.ErrUnsupported
	}
	if err != nil {
		return &fs.PathError{Op: "rename", Path: to, Err: err}
	}
	return nil
}

// renameLooking looks before it renames: only we write that name.
func renameLooking(from, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return &fs.PathError{Op: "rename", Path: to, Err: fs.ErrExist}
	}
	return os.Rename(from, to)
}
