package ds104

import (
	"errors"

	"github.com/connects-go/connects/ds104/proto"
)

// Errors of [Client], [Server] and [Pair]. Compare with errors.Is.
var (
	// ErrDown: the server cannot be reached. Nothing was sent.
	ErrDown = errors.New("ds104: no connection to the store")
	// ErrInterrupted: the connection broke before the answer came; a write may or
	// may not have happened.
	ErrInterrupted = errors.New("ds104: connection lost before the answer")
	// ErrAuth: the server refuses the token.
	ErrAuth = errors.New("ds104: wrong token")
	// ErrBusy: the server has too many connections or requests of this client.
	ErrBusy = errors.New("ds104: server is busy")
	// ErrNameInUse: another connector or witness of this name is connected; see PairOptions.
	ErrNameInUse = errors.New("ds104: another voter of this name is connected")
	// ErrUndecided: no reachable side of the pair may decide now; see Pair.
	ErrUndecided = errors.New("ds104: no side decides now")
	// ErrUnsupported: the server or its store cannot do this.
	ErrUnsupported = errors.New("ds104: not supported by the store")
	// ErrInternal: the store of the server failed; the server's log says why.
	ErrInternal = errors.New("ds104: store failed")
	// ErrProtocol: the peer does not speak DS104 as it should.
	ErrProtocol = errors.New("ds104: peer breaks the protocol")
	// ErrServerClosed is returned by Serve after Shutdown or Close.
	ErrServerClosed = errors.New("ds104: server is closed")
)

// statusTable pairs the errors with their status on the wire.
var statusTable = [...]struct {
	status proto.Status
	err    error
}{
	{proto.StatusNotFound, ErrNotFound}, {proto.StatusRevision, ErrRevision},
	{proto.StatusQuota, ErrQuota}, {proto.StatusFull, ErrFull}, // in this order: the one is the other too
	{proto.StatusTooLarge, ErrTooLarge}, {proto.StatusInvalid, ErrInvalid}, {proto.StatusClosed, ErrClosed},
	{proto.StatusAuth, ErrAuth}, {proto.StatusVersion, ErrVersion}, {proto.StatusUndecided, ErrUndecided},
	{proto.StatusUnsupported, ErrUnsupported}, {proto.StatusBusy, ErrBusy},
	{proto.StatusNameInUse, ErrNameInUse},
}

func statusOf(err error) proto.Status {
	for i := range statusTable {
		if errors.Is(err, statusTable[i].err) {
			return statusTable[i].status
		}
	}
	return proto.StatusInternal
}

func errorOf(status proto.Status) error {
	for i := range statusTable {
		if status == statusTable[i].status {
			return statusTable[i].err
		}
	}
	return ErrInternal
}
