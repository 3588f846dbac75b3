package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/connects-go/connects/ds104"
)

// storeSide is a server of the data store pair that can be stopped and started.
// It keeps its content while it is stopped, as one with a file does.
type storeSide struct {
	side  ds104.Side
	store *ds104.Memory
	log   *slog.Logger

	mu     sync.Mutex
	addr   string // with the real port once it has been started
	server *ds104.Server
	served chan error
}

func newStoreSide(side ds104.Side, addr string, log *slog.Logger) *storeSide {
	return &storeSide{side: side, store: ds104.NewMemory(&ds104.MemoryOptions{Side: side}), addr: addr, log: log}
}

// Name is A or B.
func (s *storeSide) Name() string { return s.side.String() }

// Addr is where the side listens.
func (s *storeSide) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// Running reports whether the side serves.
func (s *storeSide) Running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.server != nil
}

// Start listens, again on the same port after a stop.
func (s *storeSide) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		return nil
	}
	server, err := ds104.NewServer(s.store, &ds104.ServerOptions{Side: s.side, Name: "store " + s.side.String(), Logger: s.log})
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", s.addr)
	if err != nil {
		return errors.Join(err, server.Close())
	}
	served := make(chan error, 1)
	s.addr, s.server, s.served = ln.Addr().String(), server, served
	go func() { served <- server.Serve(ln) }()
	return nil
}

// Stop ends the side as the end of its process does.
func (s *storeSide) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return nil
	}
	err := s.server.Close()
	if served := <-s.served; !errors.Is(served, ds104.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	s.server = nil
	return err
}

// How long the connector waits for a store: everything is on one machine.
const (
	storeWait  = 300 * time.Millisecond
	storeReady = 5 * time.Second
)

// startStores starts the sides and the connector's store on both.
func (l *lab) startStores(ctx context.Context) error {
	for i, port := range []string{l.cfg.StoreA, l.cfg.StoreB} {
		s := newStoreSide(ds104.SideA+ds104.Side(i), net.JoinHostPort(l.cfg.Host, port), l.cfg.Logger.With("component", "store"))
		l.stores[i] = s
		if err := s.Start(); err != nil {
			return fmt.Errorf("data store side %s: %w", s.Name(), err)
		}
		l.addrs["store "+s.Name()] = s.Addr()
	}
	var err error
	l.pair, err = ds104.NewPair(ds104.PairOptions{
		A: l.stores[0].Addr(), B: l.stores[1].Addr(), DecideWait: storeWait,
		Client: ds104.ClientOptions{Name: "allinone", Wait: storeWait}, Logger: l.cfg.Logger.With("component", "pair"),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, storeReady)
	defer cancel()
	if err := l.pair.WaitReady(ctx); err != nil {
		return fmt.Errorf("data store: %w", err)
	}
	return nil
}

// stopStores ends the pair and then its sides.
func (l *lab) stopStores() error {
	var errs []error
	if l.pair != nil {
		errs = append(errs, l.pair.Close())
	}
	for _, s := range l.stores {
		if s != nil {
			errs = append(errs, s.Stop(), s.store.Close())
		}
	}
	return errors.Join(errs...)
}
