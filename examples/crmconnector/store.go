package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/connects-go/connects/ds104"
)

// storeOptions checks how the store is reached; it opens nothing.
func (s *settings) storeOptions(f *storeSection) error {
	remote := f.SideA != "" || f.SideB != ""
	switch {
	case remote && f.File != "":
		return errors.New("either file, or side_a and side_b")
	case f.SideB != "" && f.SideA == "":
		return errors.New("side_b without side_a; a single data store is side_a")
	case !f.TLS && (f.CA != "" || f.Certificate != "" || f.Key != ""):
		return errors.New("ca, certificate and key need tls = true")
	case !remote && (f.TLS || f.Token != ""):
		return errors.New("tls and token are for data stores: set side_a and side_b")
	case f.KeyFile != "" && f.File == "":
		return errors.New("key_file is for file; data stores encrypt their own")
	}
	s.storeClient = ds104.ClientOptions{Name: s.crm.Instance, Token: ds104.Secret(f.Token)}
	if f.TLS {
		c, err := s.clientTLS("store", f.CA, f.Certificate, f.Key)
		if err != nil {
			return err
		}
		s.storeClient.TLS = c
	}
	return nil
}

// openStore opens the file or begins to connect to the data stores.
func (s *settings) openStore(f *storeSection, logger *slog.Logger) error {
	client := s.storeClient
	client.Logger = logger
	switch {
	case f.File != "":
		o := &ds104.BoltOptions{}
		if f.KeyFile != "" {
			key, err := ds104.ReadKeyFile(f.KeyFile)
			if err != nil {
				return fmt.Errorf("store.key_file: %w", err)
			}
			o.Key = key
		}
		st, err := ds104.OpenBolt(f.File, o)
		if err != nil {
			return fmt.Errorf("store.file: %w", err)
		}
		s.store, s.crm.Store = st, st
	case f.SideB != "":
		st, err := ds104.NewPair(ds104.PairOptions{A: f.SideA, B: f.SideB, Client: client, Logger: logger})
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		s.store, s.crm.Store = st, st
	case f.SideA != "":
		st, err := ds104.NewClient(f.SideA, &client)
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		s.store, s.crm.Store = st, st
	}
	return nil
}
