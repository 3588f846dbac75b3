package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/ianaindex"

	"github.com/connects-go/connects"
	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ici"
)

// settings is what a configuration file describes, with the files that it names.
type settings struct {
	crm   *connects.CRMConfig
	store io.Closer // nil: in memory, or not opened
	certs []certificate
	// storeClient is for the connections to data stores.
	storeClient ds104.ClientOptions
}

// certificate is one that was loaded, for -check.
type certificate struct {
	use  string
	leaf *x509.Certificate
}

func (s *settings) close() {
	if s.store != nil {
		s.store.Close() // a run that failed has said so already
	}
}

// settings turns the file into settings and reports every problem.
func (f *file) settings() (*settings, error) {
	s := &settings{}
	var errs []error
	note := func(key string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", key, err))
		}
	}
	c := &connects.CRMConfig{
		Instance: f.Instance, Instances: f.Instances, OwnerLease: f.Store.OwnerLease.Value(),
		Listen: f.Listen.Address, Console: onOff(f.Listen.Console), InactiveAfter: f.Listen.InactiveAfter.Value(),
		AgentLoginType: f.Agent.LoginType, AgentDefaultPassword: cti.Secret(f.Agent.DefaultPassword),
		AllowShadowLogin: f.Agent.AllowShadowLogin, NotReadyOffset: f.Agent.NotReadyOffset,
		DefaultNotReadyReason: f.Agent.DefaultNotReadyReason, LogoutReason: f.Agent.LogoutReason,
		ResendWrapUpAfterSetState: f.Agent.ResendWrapUp, GoneGrace: f.Agent.GoneGrace.Value(),
		LogonTimeout: f.Agent.LogonTimeout.Value(), WrapUpWait: f.Agent.WrapUpWait.Value(),
		RequestConfiguration:   f.Agent.RequestConfiguration,
		DenyMakeCallWhileReady: f.Call.DenyWhileReady, RejectTo: f.Call.RejectTo, NoConference: f.Call.NoConference,
		ArbitraryTransfer: f.Call.ArbitraryTransfer, RequestTimeout: f.Call.RequestTimeout.Value(),
		Dialing: connects.CRMDialing(f.Dialing), ECC: f.Attached.ECC, Languages: f.Languages.Directory,
		MaxAgents: f.Limits.Agents, MaxCalls: f.Limits.Calls, MaxItems: f.Limits.Items, MaxAttachedData: f.Limits.AttachedData,
		Version: version(),
	}
	s.crm = c
	c.Server.HandlerTimeout = f.Listen.CallTimeout.Value()
	c.Server.MaxConcurrent = f.Listen.MaxCalls
	c.Server.Limits = &ici.Limits{Body: f.Listen.MaxBody}
	c.Notifier.Timeout = f.Events.Timeout.Value()
	c.Notifier.QueueEvents = f.Events.QueueEvents
	c.Notifier.MaxConns = f.Events.MaxConns
	for _, d := range f.Events.RetryDelays {
		c.Notifier.RetryDelays = append(c.Notifier.RetryDelays, d.Value())
	}
	if f.Log.Format != "text" && f.Log.Format != "json" {
		note("log.format", fmt.Errorf("%q is neither text nor json", f.Log.Format))
	}
	var err error
	c.Gone, err = policy(f.Agent.Gone, connects.GoneKeep, connects.GoneNotReady, connects.GoneLogoff)
	note("agent.when_sap_is_gone", err)
	c.Lost, err = policy(f.Agent.Lost, connects.LostLoggedOff, connects.LostNotReady)
	note("agent.when_switch_forgot", err)
	note("store", s.storeOptions(&f.Store))
	c.TLS, err = s.listenTLS(&f.Listen)
	note("listen", err)
	for i := range f.Systems {
		system, err := s.system(&f.Systems[i])
		note(fmt.Sprintf("system %q", f.Systems[i].Name), err)
		c.Systems = append(c.Systems, system)
	}
	for i := range f.Links {
		link, err := s.link(&f.Links[i])
		note(fmt.Sprintf("link %q", f.Links[i].Name), err)
		c.Links = append(c.Links, link)
	}
	for _, r := range f.Attached.Rules {
		c.AttachedRules = append(c.AttachedRules, connects.CRMAttachedRule(r))
	}
	for _, q := range f.Queues {
		c.Queues = append(c.Queues, connects.CRMQueue(q))
	}
	for _, p := range f.People {
		c.People = append(c.People, connects.CRMPerson(p))
	}
	return s, errors.Join(errs...)
}

// policy finds the value that is written as text.
func policy[P fmt.Stringer](text string, values ...P) (P, error) {
	var names []string
	for _, v := range values {
		if v.String() == text {
			return v, nil
		}
		names = append(names, v.String())
	}
	return values[0], fmt.Errorf("%q is none of %q", text, names)
}

func (s *settings) listenTLS(l *listenSection) (*tls.Config, error) {
	if l.Certificate == "" && l.Key == "" {
		if l.ClientCA != "" || l.RequireClient {
			return nil, errors.New("client certificates need TLS: set certificate and key")
		}
		return nil, nil
	}
	cert, err := s.keyPair("listen", l.Certificate, l.Key)
	if err != nil {
		return nil, err
	}
	pool, err := authorities(l.ClientCA)
	if err != nil {
		return nil, err
	}
	return ici.ServerTLS(cert, pool, l.RequireClient)
}

func (s *settings) system(f *systemSection) (connects.CRMSystem, error) {
	out := connects.CRMSystem{
		Name: f.Name, PathPrefix: f.Path, Users: f.Users,
		Auth:   ici.Auth{Certificates: f.Certificates, Both: f.LoginAndCert},
		Events: ici.EventSystem{AllowHosts: f.EventHosts, Username: f.EventUser, Password: ici.Secret(f.EventPassword)},
	}
	for _, l := range f.Logins {
		out.Auth.Basic = append(out.Auth.Basic, ici.Login{User: l.User, Password: ici.Secret(l.Password)})
	}
	var errs []error
	for _, n := range f.EventNetworks {
		p, err := netip.ParsePrefix(n)
		if err != nil {
			errs = append(errs, fmt.Errorf("event_networks: %w", err))
		}
		out.Events.AllowNetworks = append(out.Events.AllowNetworks, p)
	}
	if f.EventCA != "" || f.EventCertificate != "" {
		c, err := s.clientTLS("system "+f.Name, f.EventCA, f.EventCertificate, f.EventKey)
		if err != nil {
			errs = append(errs, fmt.Errorf("events: %w", err))
		}
		out.Events.TLS = c
	}
	return out, errors.Join(errs...)
}

func (s *settings) link(f *linkSection) (connects.CRMLink, error) {
	var errs []error
	charset, err := charsetOf(f.Charset)
	if err != nil {
		errs = append(errs, err)
	}
	o := cti.SessionOptions{
		A: cti.Endpoint{Addr: f.SideA}, B: cti.Endpoint{Addr: f.SideB},
		ClientID: f.ClientID, Password: cti.Secret(f.Password), Charset: charset,
		HeartbeatInterval: f.Heartbeat.Value(), DialTimeout: f.DialTimeout.Value(), OpenTimeout: f.OpenTimeout.Value(),
		RequestTimeout: f.RequestTimeout.Value(), MaxBackoff: f.MaxBackoff.Value(),
	}
	for _, v := range f.Versions {
		o.Versions = append(o.Versions, cti.Version(v))
	}
	switch {
	case f.TLS:
		c, err := s.clientTLS("link "+f.Name, f.CA, f.Certificate, f.Key)
		if err != nil {
			errs = append(errs, err)
			break
		}
		c.ServerName = f.ServerName
		o.A.TLS, o.B.TLS = c, c
	case f.CA != "" || f.Certificate != "" || f.Key != "" || f.ServerName != "":
		errs = append(errs, errors.New("ca, certificate, key and server_name need tls = true"))
	}
	out := connects.CRMLink{Name: f.Name, Session: o}
	for _, p := range f.Peripherals {
		out.Peripherals = append(out.Peripherals, connects.CRMPeripheral(p))
	}
	return out, errors.Join(errs...)
}

func charsetOf(name string) (encoding.Encoding, error) {
	e, err := ianaindex.IANA.Encoding(name)
	if err != nil || e == nil {
		return nil, fmt.Errorf("charset %q is unknown; use an IANA name, for example windows-1252 or utf-8", name)
	}
	return e, nil
}

func (s *settings) clientTLS(use, ca, cert, key string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	var err error
	if c.RootCAs, err = authorities(ca); err != nil {
		return nil, err
	}
	if cert != "" || key != "" {
		pair, err := s.keyPair(use, cert, key)
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

func (s *settings) keyPair(use, cert, key string) (tls.Certificate, error) {
	if key == "" {
		key = cert // one PEM file may have both
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return pair, err
	}
	s.certs = append(s.certs, certificate{use, pair.Leaf})
	return pair, nil
}

// authorities reads a PEM file; nil without one.
func authorities(name string) (*x509.CertPool, error) {
	if name == "" {
		return nil, nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("%s: no certificate in PEM form", name)
	}
	return pool, nil
}

// onOff is the address of a listener that "off" leaves away.
func onOff(addr string) string {
	if addr == "off" {
		return ""
	}
	return addr
}
