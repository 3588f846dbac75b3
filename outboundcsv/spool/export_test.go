package spool

import (
	"context"
	"io"
)

// ServeMail answers deletions of other instances, without placing anything.
func ServeMail(ctx context.Context, q *Queue) { q.serveMail(ctx) }

// FaultyDisk is the disk with hooks that tests set; a nil hook does nothing.
type FaultyDisk struct {
	CreateErr, RenameErr, WriteErr func() error
}

// On puts the disk into options.
func (d *FaultyDisk) On(o *Options) { o.disk = d }

type faultyFile struct {
	diskFile
	d *FaultyDisk
}

func (f faultyFile) Write(p []byte) (int, error) {
	if f.d.WriteErr != nil {
		if err := f.d.WriteErr(); err != nil {
			n, _ := f.diskFile.Write(p[:len(p)/2])
			return n, err
		}
	}
	return f.diskFile.Write(p)
}

var _ io.Writer = faultyFile{}

// Create implements disk.
func (d *FaultyDisk) Create(name string) (diskFile, error) {
	if d.CreateErr != nil {
		if err := d.CreateErr(); err != nil {
			return nil, err
		}
	}
	f, err := realDisk{}.Create(name)
	return faultyFile{f, d}, err
}

// Rename implements disk.
func (d *FaultyDisk) Rename(from, to string) error {
	if d.RenameErr != nil {
		if err := d.RenameErr(); err != nil {
			return err
		}
	}
	return realDisk{}.Rename(from, to)
}

// Remove implements disk.
func (d *FaultyDisk) Remove(name string) error { return realDisk{}.Remove(name) }
