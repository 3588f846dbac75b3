// Package scratch makes files that nobody else needs to find: they go away with the
// process that opened them, also when it is killed.
package scratch

import "os"

// File is an open file that is gone once it is closed. Name names it in errors.
type File struct {
	*os.File
	named bool // the name still exists
}

// Create opens a new file for reading and writing in dir; empty is the system's
// directory for temporary files. The last * of pattern becomes a random string.
// Where the system allows it the name is gone when Create returns, or goes with
// the last handle.
func Create(dir, pattern string) (*File, error) {
	f, err := create(dir, pattern)
	if err != nil {
		return nil, err
	}
	return &File{File: f, named: os.Remove(f.Name()) != nil}, nil
}

// Close closes the file and removes it. Later calls do nothing but return an error.
func (f *File) Close() error {
	err := f.File.Close()
	if f.named && err == nil {
		os.Remove(f.Name()) // fails where the system has done so
	}
	return err
}
