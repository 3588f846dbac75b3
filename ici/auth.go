package ici

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/connects-go/connects/internal/secret"
)

// Secret is a password. However it is printed, logged or marshalled, it shows as "****"; Reveal gives
// the text.
type Secret = secret.Text

// Login is a user name with its password.
type Login struct {
	User     string
	Password Secret
}

// Auth says who may call as one system. When both fields are set, a call that satisfies one of them is let in unless
// Both is set. The zero value lets everybody in.
type Auth struct {
	// Basic are the accepted logins of HTTP basic authentication, set in the RFC destination.
	Basic []Login
	// Certificates are the accepted subjects of client certificates: a common name, a DNS or mail name, or a whole
	// subject ("CN=CRM,O=Example"). "*" takes every certificate that the TLS layer has verified.
	Certificates []string
	// Both demands a login and a certificate.
	Both bool
}

func (a *Auth) validate() error {
	var errs []error
	for i, l := range a.Basic {
		if l.User == "" || strings.Contains(l.User, ":") {
			errs = append(errs, fmt.Errorf("Basic[%d].User=%q is empty or contains a colon", i, l.User))
		}
		if l.Password == "" {
			errs = append(errs, fmt.Errorf("Basic[%d].Password is empty", i))
		}
	}
	for i, c := range a.Certificates {
		if c == "" {
			errs = append(errs, fmt.Errorf("Certificates[%d] is empty", i))
		}
	}
	if a.Both && (len(a.Basic) == 0 || len(a.Certificates) == 0) {
		errs = append(errs, errors.New("Both is set but a login or a certificate is missing"))
	}
	return errors.Join(errs...)
}

func (a Auth) clone() Auth {
	a.Basic, a.Certificates = slices.Clone(a.Basic), slices.Clone(a.Certificates)
	return a
}

func (a *Auth) allows(r *http.Request) bool {
	if len(a.Basic) == 0 && len(a.Certificates) == 0 {
		return true
	}
	login, cert := a.loginOK(r), a.certificateOK(r.TLS)
	if a.Both {
		return login && cert
	}
	return login || cert
}

func (a *Auth) loginOK(r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	if !ok {
		return false
	}
	// Hashes make the time of the comparison independent of the lengths.
	gotUser, gotPassword := sha256.Sum256([]byte(user)), sha256.Sum256([]byte(password))
	found := 0
	for _, l := range a.Basic {
		wantUser, wantPassword := sha256.Sum256([]byte(l.User)), sha256.Sum256([]byte(l.Password))
		found |= subtle.ConstantTimeCompare(gotUser[:], wantUser[:]) & subtle.ConstantTimeCompare(gotPassword[:], wantPassword[:])
	}
	return found == 1
}

func (a *Auth) certificateOK(state *tls.ConnectionState) bool {
	if state == nil || len(state.VerifiedChains) == 0 || len(state.PeerCertificates) == 0 {
		return false
	}
	c := state.PeerCertificates[0]
	names := append([]string{"*", c.Subject.CommonName, c.Subject.String()}, c.DNSNames...)
	names = append(names, c.EmailAddresses...)
	for _, want := range a.Certificates {
		if slices.Contains(names, want) {
			return true
		}
	}
	return false
}

func (a *Auth) challenge(w http.ResponseWriter) {
	if len(a.Basic) > 0 {
		w.Header().Set("WWW-Authenticate", `Basic realm="connects", charset="UTF-8"`)
	}
}

// ServerTLS makes the TLS configuration of a server: TLS 1.2 or later, our certificate, and the authorities whose client
// certificates are accepted. With nil authorities no client certificate is asked for. With require set the handshake
// fails without one; otherwise [Auth] decides per system.
func ServerTLS(cert tls.Certificate, authorities *x509.CertPool, require bool) (*tls.Config, error) {
	if len(cert.Certificate) == 0 {
		return nil, errors.New("ici: server certificate is empty")
	}
	if require && authorities == nil {
		return nil, errors.New("ici: client certificates are required but no authority is given")
	}
	c := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, ClientCAs: authorities}
	switch {
	case require:
		c.ClientAuth = tls.RequireAndVerifyClientCert
	case authorities != nil:
		c.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return c, nil
}
