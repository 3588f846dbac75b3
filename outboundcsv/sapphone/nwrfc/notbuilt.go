//go:build !nwrfc || !cgo

package nwrfc

const built = false

func open(*Server) (library, error) { return nil, ErrNotBuilt }
