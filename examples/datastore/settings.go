package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/connects-go/connects"
	"github.com/connects-go/connects/ds104"
)

// settings are what file and command line say.
type settings struct {
	Name         string        `toml:"name"`
	Side         string        `toml:"side"`
	Partner      string        `toml:"partner"`
	Dir          string        `toml:"dir"`
	File         string        `toml:"file"`
	KeyFile      string        `toml:"key_file"`
	Restore      string        `toml:"restore"`
	SnapshotDir  string        `toml:"snapshot_dir"`
	Listen       string        `toml:"listen"`
	Page         string        `toml:"page"`
	PageHosts    []string      `toml:"page_hosts"`
	Console      string        `toml:"console"`
	TokenFile    string        `toml:"token_file"`
	OperatorFile string        `toml:"operator_file"`
	CertFile     string        `toml:"cert_file"`
	CertKeyFile  string        `toml:"cert_key_file"`
	ClientCAFile string        `toml:"client_ca_file"`
	PartnerCA    string        `toml:"partner_ca_file"`
	MaxEntries   int           `toml:"max_entries"`
	MaxBytes     int64         `toml:"max_bytes"`
	MaxOrigin    int64         `toml:"max_origin_bytes"`
	MaxValue     int           `toml:"max_value"`
	MaxConns     int           `toml:"max_connections"`
	TieAfter     time.Duration `toml:"tie_after"`
	Witness      bool          `toml:"witness"`
	A            string        `toml:"a"`
	B            string        `toml:"b"`
	Compare      time.Duration `toml:"compare_interval"`
}

// load reads the file, if there is one, and puts what the command line says on top.
func load(name string, flags settings) (*settings, error) {
	var s settings
	if name != "" {
		md, err := toml.DecodeFile(name, &s)
		var place toml.ParseError
		if errors.As(err, &place) {
			return nil, fmt.Errorf("%s:%d: %s", name, place.Position.Line, place.Message)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		var errs []error
		for _, key := range md.Undecoded() {
			errs = append(errs, fmt.Errorf("%s: unknown key %q", name, key.String()))
		}
		if err := errors.Join(errs...); err != nil {
			return nil, err
		}
	}
	for to, from := range map[*string]string{
		&s.Side: flags.Side, &s.Partner: flags.Partner, &s.Dir: flags.Dir, &s.File: flags.File, &s.Listen: flags.Listen,
		&s.Page: flags.Page, &s.Console: flags.Console, &s.TokenFile: flags.TokenFile,
		&s.Name: flags.Name, &s.A: flags.A, &s.B: flags.B,
	} {
		if from != "" {
			*to = from
		}
	}
	s.Witness = s.Witness || flags.Witness
	return &s, nil
}

// factory returns what is to run: a data store or a witness.
func (s *settings) factory() (connects.Factory, error) {
	if !s.Witness {
		if s.A != "" || s.B != "" {
			return nil, errors.New("a, b: are of a witness; a data store has a partner")
		}
		cfg, err := s.config()
		if err == nil {
			err = cfg.Validate()
		}
		return connects.DataStore(cfg), err
	}
	cfg, err := s.witness()
	if err == nil {
		err = cfg.Validate()
	}
	return connects.DataStoreWitness(cfg), err
}

// witness returns the configuration of a witness, which uses few of the settings.
func (s *settings) witness() (connects.WitnessConfig, error) {
	var errs []error
	for name, v := range map[string]string{"side": s.Side, "partner": s.Partner, "dir": s.Dir, "file": s.File, "restore": s.Restore, "snapshot_dir": s.SnapshotDir} {
		if v != "" && v != "alone" {
			errs = append(errs, fmt.Errorf("%s: a witness stores nothing", name))
		}
	}
	token, err := secret(s.TokenFile)
	errs = append(errs, err)
	var certificates connects.DataStoreConfig
	errs = append(errs, s.certificates(&certificates))
	return connects.WitnessConfig{Name: s.Name, A: s.A, B: s.B, Token: token, TLS: certificates.PartnerTLS}, errors.Join(errs...)
}

func (s *settings) config() (*connects.DataStoreConfig, error) {
	var errs []error
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	sides := map[string]ds104.Side{"": ds104.Alone, "alone": ds104.Alone, "A": ds104.SideA, "a": ds104.SideA, "B": ds104.SideB, "b": ds104.SideB}
	side, ok := sides[s.Side]
	if !ok {
		note(fmt.Errorf("side %q: must be A, B or alone", s.Side))
	}
	token, err := secret(s.TokenFile)
	note(err)
	operator, err := secret(s.OperatorFile)
	note(err)
	cfg := &connects.DataStoreConfig{
		Name: s.Name, Side: side, Partner: s.Partner, Dir: s.Dir, File: s.File, KeyFile: s.KeyFile, Restore: s.Restore, SnapshotDir: s.SnapshotDir,
		MaxEntries: s.MaxEntries, MaxBytes: s.MaxBytes, MaxOriginBytes: s.MaxOrigin, MaxValue: s.MaxValue, Listen: s.Listen, Page: s.Page, Console: s.Console,
		PageHosts: s.PageHosts, Operator: operator, CompareInterval: s.Compare,
		Server: ds104.ServerOptions{Token: token, MaxConns: s.MaxConns, TieAfter: s.TieAfter},
	}
	note(s.certificates(cfg))
	return cfg, errors.Join(errs...)
}

// certificates sets TLS up.
func (s *settings) certificates(cfg *connects.DataStoreConfig) error {
	if s.CertFile == "" && s.ClientCAFile == "" && s.PartnerCA == "" {
		return nil
	}
	cfg.PartnerTLS = &tls.Config{MinVersion: tls.VersionTLS12}
	var err error
	if s.PartnerCA != "" {
		if cfg.PartnerTLS.RootCAs, err = pool(s.PartnerCA); err != nil {
			return err
		}
	}
	if s.CertFile == "" && s.ClientCAFile == "" {
		return nil
	}
	cert, err := tls.LoadX509KeyPair(s.CertFile, s.CertKeyFile)
	if err != nil {
		return fmt.Errorf("cert_file, cert_key_file: %w", err)
	}
	cfg.PartnerTLS.Certificates = []tls.Certificate{cert}
	cfg.Server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if s.ClientCAFile != "" {
		if cfg.Server.TLS.ClientCAs, err = pool(s.ClientCAFile); err != nil {
			return err
		}
		cfg.Server.TLS.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return nil
}

func pool(name string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate in it", name)
	}
	return p, nil
}

// secret reads a secret from a file; spaces around it do not count.
func secret(name string) (ds104.Secret, error) {
	if name == "" {
		return "", nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(b))
	if text == "" {
		return "", fmt.Errorf("%s: is empty", name)
	}
	return ds104.Secret(text), nil
}
