package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/connects-go/connects"
	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/examples/internal/tomlfile"
	"github.com/connects-go/connects/outboundcsv"
	"github.com/connects-go/connects/outboundcsv/sapphone"
	"github.com/connects-go/connects/outboundcsv/spool"
)

// file is the configuration file; outbound.sample.toml explains every key.
type file struct {
	Instance string   `toml:"instance"`
	Spool    string   `toml:"spool"`
	Console  string   `toml:"console"`
	Page     string   `toml:"page"`
	Hosts    []string `toml:"page_hosts"`
	Profile  string   `toml:"profile"`
	Results  string   `toml:"results"`

	Log        logSection        `toml:"log"`
	Import     importSection     `toml:"import"`
	API        apiSection        `toml:"api"`
	Queue      queueSection      `toml:"queue"`
	Store      storeSection      `toml:"store"`
	HTTP       httpSection       `toml:"http"`
	Gateway    gatewaySection    `toml:"gateway"`
	Replay     replaySection     `toml:"replay"`
	Definition definitionSection `toml:"definition"`
}

type logSection struct {
	Level  tomlfile.Level `toml:"level"`
	Format string         `toml:"format"`
}

type importSection struct {
	Directory string `toml:"directory"`
	Name      string `toml:"name"`
}

type apiSection struct {
	URL          string            `toml:"url"`
	User         string            `toml:"user"`
	PasswordFile string            `toml:"password_file"`
	CA           string            `toml:"ca"`
	Campaigns    map[string]string `toml:"campaigns"`
}

type queueSection struct {
	RepeatWindow tomlfile.Duration `toml:"repeat_window"`
	Poll         tomlfile.Duration `toml:"poll"`
	Keep         tomlfile.Duration `toml:"keep"`
	MaxRows      int               `toml:"max_rows"`
	MergeQueued  bool              `toml:"merge_queued"`
	SkipRepeats  bool              `toml:"skip_repeated_rows"`
	AnswerWait   tomlfile.Duration `toml:"answer_wait"`
}

type storeSection struct {
	SideA     string            `toml:"side_a"`
	SideB     string            `toml:"side_b"`
	TokenFile string            `toml:"token_file"`
	CA        string            `toml:"ca"`
	Lease     tomlfile.Duration `toml:"lease"`
}

type httpSection struct {
	Listen       string   `toml:"listen"`
	Certificate  string   `toml:"certificate"`
	Key          string   `toml:"key"`
	ClientCA     string   `toml:"client_ca"`
	Certificates []string `toml:"certificates"`
	User         string   `toml:"user"`
	PasswordFile string   `toml:"password_file"`
	BodyLimit    int64    `toml:"body_limit"`
}

type gatewaySection struct {
	Transport    string `toml:"transport"`
	Address      string `toml:"address"`
	Program      string `toml:"program"`
	Experimental bool   `toml:"experimental"` // of cpic, down to Strategy
	Host         string `toml:"host"`
	Strategy     string `toml:"strategy"`

	Registrations  int               `toml:"registrations"` // of nwrfc
	Router         string            `toml:"router"`
	Trace          int               `toml:"trace"`
	CallTimeout    tomlfile.Duration `toml:"call_timeout"`
	SNCPartnerName string            `toml:"snc_partner_name"`
	SNCName        string            `toml:"snc_name"`
	SNCQuality     int               `toml:"snc_quality"`
	SNCLibrary     string            `toml:"snc_library"`
}

type replaySection struct {
	Directory string `toml:"directory"`
}

type definitionSection struct {
	File       string `toml:"file"`
	Record     string `toml:"record"`
	RecordOnly bool   `toml:"record_only"`
	RecordFull bool   `toml:"record_full"`
}

// parse reads the file; see [tomlfile.Read] for its errors.
func parse(name string) (*file, error) {
	f := &file{Log: logSection{Format: "text"}}
	if err := tomlfile.Read(name, f); err != nil {
		return nil, err
	}
	return f, nil
}

// setting makes the configuration of the component, and reports every problem.
func (f *file) setting(logger *slog.Logger) (*connects.OutboundConfig, io.Closer, error) {
	var errs []error
	note := func(key string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", key, err))
		}
	}
	if f.Log.Format != "text" && f.Log.Format != "json" {
		note("log.format", fmt.Errorf("%q is neither text nor json", f.Log.Format))
	}
	c := &connects.OutboundConfig{Root: f.Spool, Console: f.Console, Page: f.Page, PageHosts: f.Hosts, ResultDir: f.Results, Lease: f.Store.Lease.Value()}
	c.Queue = spool.Options{Instance: f.Instance, File: spool.File{Dir: f.Import.Directory, Name: f.Import.Name}, Campaigns: f.API.Campaigns,
		RepeatWindow: f.Queue.RepeatWindow.Value(), Poll: f.Queue.Poll.Value(), Keep: f.Queue.Keep.Value(), MaxRows: f.Queue.MaxRows, MergeQueued: f.Queue.MergeQueued, SkipRepeats: f.Queue.SkipRepeats, AnswerWait: f.Queue.AnswerWait.Value()}
	if f.API.URL != "" {
		note("api", f.api(c))
	}
	if f.Profile != "" {
		b, err := os.ReadFile(f.Profile)
		if err == nil {
			c.Queue.Profile, err = outboundcsv.ParseProfile(b)
			err = tomlfile.Prefix(f.Profile, err)
		}
		note("profile", err)
	}
	for name := range f.API.Campaigns {
		c.Campaigns = append(c.Campaigns, name)
	}
	if f.Definition.File != "" {
		r, err := os.Open(f.Definition.File)
		if err == nil {
			c.Definitions, err = sapphone.ParseDefinitions(r)
			r.Close()
			err = tomlfile.Prefix(f.Definition.File, err)
		}
		note("definition.file", err)
	}
	if f.Definition.Record != "" {
		c.Recorder = &sapphone.Recorder{Dir: f.Definition.Record, Full: f.Definition.RecordFull}
	}
	c.RecordOnly = f.Definition.RecordOnly
	closer, err := f.store(c, logger)
	note("store", err)
	note("http", f.http(c, logger))
	note("gateway", f.gateway(c, logger))
	if f.Replay.Directory != "" {
		c.Transports = append(c.Transports, &sapphone.Replay{Dir: f.Replay.Directory, Logger: logger})
	}
	if f.Import.Directory == "" && f.API.URL == "" {
		note("import.directory", errors.New("is needed, or api.url: it says where lists go"))
	}
	if f.HTTP.Listen == "" && f.Gateway.Address == "" && f.Replay.Directory == "" {
		note("http.listen", errors.New("is needed, or gateway.address, or replay.directory: it says where lists come from"))
	}
	if len(errs) == 0 {
		note("configuration", c.Validate())
	}
	return c, closer, errors.Join(errs...)
}

// secret reads the password that a key names the file of.
func secret(key, name string) (outboundcsv.Secret, error) {
	if name == "" {
		return "", nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	return outboundcsv.Secret(strings.TrimRight(string(b), "\r\n")), nil
}

// authorities reads the PEM file that a key names; nil without one.
func authorities(key, name string) (*x509.CertPool, error) {
	if name == "" {
		return nil, nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("%s: %s: no certificate in PEM form", key, name)
	}
	return pool, nil
}

func (f *file) api(c *connects.OutboundConfig) error {
	password, err := secret("password_file", f.API.PasswordFile)
	if err != nil {
		return err
	}
	o := &outboundcsv.APIOptions{URL: f.API.URL, User: f.API.User, Password: password}
	if f.API.CA != "" {
		pool, err := authorities("ca", f.API.CA)
		if err != nil {
			return err
		}
		o.Client = outboundcsv.APIClient(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12})
	}
	c.Queue.API, err = outboundcsv.NewAPI(o)
	return err
}

// storeClient is how the data stores are called.
func (f *file) storeClient(logger *slog.Logger) (o ds104.ClientOptions, err error) {
	token, err := secret("token_file", f.Store.TokenFile)
	if err != nil {
		return o, err
	}
	o = ds104.ClientOptions{Name: f.Instance, Token: ds104.Secret(token), Logger: logger}
	if f.Store.CA != "" {
		pool, err := authorities("ca", f.Store.CA)
		if err != nil {
			return o, err
		}
		o.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return o, nil
}

func (f *file) store(c *connects.OutboundConfig, logger *slog.Logger) (io.Closer, error) {
	if f.Store.SideA == "" {
		return nil, nil
	}
	o, err := f.storeClient(logger)
	if err != nil {
		return nil, err
	}
	if f.Store.SideB == "" {
		s, err := ds104.NewClient(f.Store.SideA, &o)
		if err != nil {
			return nil, err
		}
		c.Store = s
		return s, nil
	}
	p, err := ds104.NewPair(ds104.PairOptions{A: f.Store.SideA, B: f.Store.SideB, Client: o, Logger: logger})
	if err != nil {
		return nil, err
	}
	c.Store = p
	return p, nil
}

func (f *file) http(c *connects.OutboundConfig, logger *slog.Logger) error {
	h := f.HTTP
	if h.Listen == "" {
		return nil
	}
	password, err := secret("password_file", h.PasswordFile)
	if err != nil {
		return err
	}
	o := sapphone.HTTPOptions{Addr: h.Listen, Certificates: h.Certificates, Definitions: c.Definitions, BodyLimit: h.BodyLimit, Logger: logger}
	if h.User != "" {
		o.Logins = []sapphone.Login{{User: h.User, Password: password}}
	}
	if h.Certificate != "" {
		key := h.Key
		if key == "" {
			key = h.Certificate
		}
		pair, err := tls.LoadX509KeyPair(h.Certificate, key)
		if err != nil {
			return fmt.Errorf("certificate, key: %w", err)
		}
		pool, err := authorities("client_ca", h.ClientCA)
		if err != nil {
			return err
		}
		o.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, MinVersion: tls.VersionTLS12}
	}
	if _, err := sapphone.NewHTTP(&o); err != nil {
		return err
	}
	c.NewTransports = func(s sapphone.Service) ([]sapphone.Transport, error) {
		o.Service = s
		t, err := sapphone.NewHTTP(&o)
		return []sapphone.Transport{t}, err
	}
	return nil
}
