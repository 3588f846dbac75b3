package spool

import (
	stderrors "errors"
	"fmt"

	"github.com/pkg/errors"
)

// Errors of a [Queue]. Compare with errors.Is.
var (
	// ErrLocked: another process has the journal open.
	ErrLocked = stderrors.New("spool: journal is used by another process")
	// ErrVersion: the journal was written by a newer version.
	ErrVersion = stderrors.New("spool: journal of a newer version")
	// ErrJournal: the journal has an entry that cannot be read.
	ErrJournal = stderrors.New("spool: journal cannot be read")
	// ErrBusy: the same list is being accepted elsewhere at this moment, or the
	// ledger did not answer. The sender should try again.
	ErrBusy = stderrors.New("spool: the list is being accepted elsewhere, try again")
	// ErrSilent: another instance has lists of the campaign and did not answer in
	// time. The deletion waits for it; the sender should ask again.
	ErrSilent = stderrors.New("spool: the deletion waits for another instance, try again")
	// ErrKeyReused: the key of the list was used for one with other rows.
	ErrKeyReused = stderrors.New("spool: the key was used for a list with other rows")
	// ErrTooMany: the list has more rows than Options.MaxRows.
	ErrTooMany = stderrors.New("spool: too many rows in a list")
	// ErrUnknown: no list has that id.
	ErrUnknown = stderrors.New("spool: no such list")
	// ErrState: what was asked for does not fit the state of the list.
	ErrState = stderrors.New("spool: not possible in the state of the list")
	// ErrSpool: the disk of the spool is full or fails. Nothing that was accepted before is
	// lost; what was refused may be sent again.
	ErrSpool = stderrors.New("spool: its disk cannot be written")
	// ErrClosed: the queue was closed.
	ErrClosed = stderrors.New("spool: closed")
	// ErrConflict is what a [Ledger] returns for a Put at another revision.
	ErrConflict = stderrors.New("spool: ledger entry changed")
	// ErrOtherDirectory: the import directory is not the one that a file was placed in;
	// most likely a share is not mounted.
	ErrOtherDirectory = stderrors.New("spool: the import directory lacks the mark that it had, is it mounted?")
	// ErrForeignFile: a file of the configured name is in the import directory
	// that this queue did not place.
	ErrForeignFile = stderrors.New("spool: a file that is not ours has the name of the import file")
)

// spoolError is a failure of the disk of the spool; nil for nil.
func spoolError(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrSpool, errors.Wrap(err, what))
}
