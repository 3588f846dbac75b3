package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"unicode"

	"github.com/connects-go/connects"
	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/examples/internal/tomlfile"
)

// settings are what file and command line say.
type settings struct {
	Name         string            `toml:"name"`
	Side         string            `toml:"side"`
	Partner      string            `toml:"partner"`
	Dir          string            `toml:"dir"`
	File         string            `toml:"file"`
	KeyFile      string            `toml:"key_file"`
	Restore      string            `toml:"restore"`
	SnapshotDir  string            `toml:"snapshot_dir"`
	Listen       string            `toml:"listen"`
	Page         string            `toml:"page"`
	PageHosts    []string          `toml:"page_hosts"`
	Console      string            `toml:"console"`
	TokenFile    string            `toml:"token_file"`
	OperatorFile string            `toml:"operator_file"`
	CertFile     string            `toml:"cert_file"`
	CertKeyFile  string            `toml:"cert_key_file"`
	ClientCAFile string            `toml:"client_ca_file"`
	PartnerCA    string            `toml:"partner_ca_file"`
	MaxEntries   int               `toml:"max_entries"`
	MaxBytes     int64             `toml:"max_bytes"`
	MaxOrigin    int64             `toml:"max_origin_bytes"`
	MaxValue     int               `toml:"max_value"`
	MaxConns     int               `toml:"max_connections"`
	TieAfter     tomlfile.Duration `toml:"tie_after"`
	Witness      bool              `toml:"witness"`
	A            string            `toml:"a"`
	B            string            `toml:"b"`
	Compare      tomlfile.Duration `toml:"compare_interval"`
}

// load reads the file, if there is one, and puts what the command line says on top.
func load(name string, flags settings) (*settings, error) {
	var s settings
	if name != "" {
		if err := tomlfile.Read(name, &s); err != nil {
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
			err = keys(cfg.Validate())
		}
		return connects.DataStore(cfg), err
	}
	cfg, err := s.witness()
	if err == nil {
		err = keys(cfg.Validate())
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
	token, err := secret("token_file", s.TokenFile)
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
		note(fmt.Errorf("side = %q: must be A, B or alone", s.Side))
	}
	token, err := secret("token_file", s.TokenFile)
	note(err)
	operator, err := secret("operator_file", s.OperatorFile)
	note(err)
	if s.KeyFile != "" {
		_, err := ds104.ReadKeyFile(s.KeyFile) // read again at the start; a wrong one shows here
		note(named("key_file", s.KeyFile, err))
	}
	cfg := &connects.DataStoreConfig{
		Name: s.Name, Side: side, Partner: s.Partner, Dir: s.Dir, File: s.File, KeyFile: s.KeyFile, Restore: s.Restore, SnapshotDir: s.SnapshotDir,
		MaxEntries: s.MaxEntries, MaxBytes: s.MaxBytes, MaxOriginBytes: s.MaxOrigin, MaxValue: s.MaxValue, Listen: s.Listen, Page: s.Page, Console: s.Console,
		PageHosts: s.PageHosts, Operator: operator, CompareInterval: s.Compare.Value(),
		Server: ds104.ServerOptions{Token: token, MaxConns: s.MaxConns, TieAfter: s.TieAfter.Value()},
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
		if cfg.PartnerTLS.RootCAs, err = pool("partner_ca_file", s.PartnerCA); err != nil {
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
		if cfg.Server.TLS.ClientCAs, err = pool("client_ca_file", s.ClientCAFile); err != nil {
			return err
		}
		cfg.Server.TLS.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return nil
}

// named puts the key, and the file that it names, before an error that does not name the file.
func named(key, file string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", key, err)
	}
	return fmt.Errorf("%s: %s: %w", key, file, err)
}

func pool(key, name string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(name)
	p := x509.NewCertPool()
	if err == nil && !p.AppendCertsFromPEM(pem) {
		err = errors.New("no certificate in PEM form")
	}
	return p, named(key, name, err)
}

// secret reads the secret that a key names the file of; spaces around it do not count.
func secret(key, name string) (ds104.Secret, error) {
	if name == "" {
		return "", nil
	}
	b, err := os.ReadFile(name)
	text := strings.TrimSpace(string(b))
	if err == nil && text == "" {
		err = errors.New("is empty")
	}
	return ds104.Secret(text), named(key, name, err)
}

// keys writes the errors of a configuration with the keys of the file in place of its fields.
func keys(err error) error {
	var out []error
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for _, err := range all {
		if c, ok := errors.AsType[*connects.ConfigError](err); ok {
			_, field, _ := strings.Cut(c.Field, ".")
			err = fmt.Errorf("%s = %v: %s", key(field), c.Value, c.Reason)
		}
		out = append(out, err)
	}
	return errors.Join(out...)
}

// key is a field as a key: max_bytes for MaxBytes.
func key(field string) string {
	var b strings.Builder
	for i, r := range field {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
