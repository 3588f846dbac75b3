package outboundcsv

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/xml"
	stderrors "errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/connects-go/connects/internal/secret"

	"github.com/pkg/errors"

	"github.com/connects-go/connects/internal/backoff"
)

// Limits and defaults of the Outbound API (Developer Reference, Outbound API, Import).
const (
	// APIBatch is the largest number of records in one request.
	APIBatch = 10_000
	// APIOpen is how many requests the server queues before it answers 503.
	APIOpen = 30
	// APIMinBackoff and APIMaxBackoff are the first and the longest wait after a 503.
	APIMinBackoff = 5 * time.Second
	APIMaxBackoff = 60 * time.Second
	// DefaultAPITimeout bounds one request.
	DefaultAPITimeout = 2 * time.Minute
	// maxAPIAnswer is the largest answer to an import in bytes.
	maxAPIAnswer = 64 << 10
)

// Errors of [API]. Compare with errors.Is.
var (
	// ErrAPIBusy: the server answered 503, its queue is full. Nothing was accepted.
	ErrAPIBusy = stderrors.New("outboundcsv: the API is busy")
	// ErrInDoubt: the request may have been accepted; its answer was lost. Do not
	// send it again before looking with [API.Accounts].
	ErrInDoubt = stderrors.New("outboundcsv: the answer of the API was lost")
)

// APIError is an answer that refuses. Nothing was accepted.
type APIError struct {
	Status  int    // of HTTP
	Message string // what the server says, shortened
}

// Error implements error.
func (e *APIError) Error() string {
	return fmt.Sprintf("outboundcsv: API answers %d: %s", e.Status, e.Message)
}

// Secret is a password. However it is printed, logged or marshalled, it shows as "****"; Reveal gives
// the text.
type Secret = secret.Text

// APIOptions configure an [API].
type APIOptions struct {
	// URL is the root of the configuration API, such as
	// https://server/unifiedconfig/config.
	URL      string
	User     string
	Password Secret
	// Client sends the requests; nil is one with DefaultAPITimeout that follows no
	// redirects.
	Client *http.Client
	// MaxOpen is how many requests may be open at a time; 0 is APIOpen, the most.
	MaxOpen int
}

// API is the Outbound API of a configuration server: the second way for rows to
// get to a dialer, for campaigns that were made through the API. It is safe for
// concurrent use.
type API struct {
	base   *url.URL
	o      APIOptions
	open   chan struct{}
	client *http.Client
	login  func(*http.Request) // has the password, so that no formatting of an API shows it
}

// NewAPI checks the options and returns a client. It does no I/O.
func NewAPI(o *APIOptions) (*API, error) {
	if o == nil {
		o = &APIOptions{}
	}
	own := *o
	o = &own
	a := &API{o: *o, client: o.Client}
	var errs []error
	var err error
	if a.base, err = url.Parse(strings.TrimRight(o.URL, "/")); err != nil || a.base.Host == "" || a.base.Scheme != "https" && a.base.Scheme != "http" || a.base.User != nil || a.base.RawQuery != "" {
		errs = append(errs, stderrors.New("outboundcsv: URL: want http(s)://host/path without user and query"))
	}
	if o.MaxOpen < 0 || o.MaxOpen > APIOpen {
		errs = append(errs, fmt.Errorf("outboundcsv: MaxOpen=%d: 0 to %d", o.MaxOpen, APIOpen))
	}
	if err := stderrors.Join(errs...); err != nil {
		return nil, err
	}
	if a.client == nil {
		a.client = APIClient(nil)
	}
	a.o.Password = ""
	a.login = func(r *http.Request) {
		if o.User != "" {
			r.SetBasicAuth(o.User, string(o.Password))
		}
	}
	if a.o.MaxOpen == 0 {
		a.o.MaxOpen = APIOpen
	}
	a.open = make(chan struct{}, a.o.MaxOpen)
	return a, nil
}

// APIClient is the client that an API uses by default, with TLS settings of one's
// own: DefaultAPITimeout, no redirects. Nil settings are the system's.
func APIClient(c *tls.Config) *http.Client {
	return &http.Client{Timeout: DefaultAPITimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: c, MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true}}
}

// APIProfile is what the API takes: a header, UTF-8, and the default columns.
func APIProfile() Profile {
	p := DefaultProfile()
	p.Header, p.Encoding, p.LineEnd = true, "utf-8", "lf"
	return p
}

// CheckAPIProfile reports what the API would not take, as joined *[ProfileError].
func CheckAPIProfile(p *Profile) error {
	var errs []error
	bad := func(key, want string) { errs = append(errs, &ProfileError{Key: key, Want: want}) }
	if !p.Header {
		bad("header", "true: the API wants the names of the columns")
	}
	if p.Encoding != "utf-8" && p.Encoding != "ascii" {
		bad("encoding", "utf-8 or ascii for the API")
	}
	if p.Format == Fixed {
		bad("format", "comma, pipe or custom for the API")
	}
	account := false
	for i, c := range p.Columns {
		switch k, _ := c.kind(); k {
		case kindCustom, kindExt:
			bad(fmt.Sprintf("columns[%d].type", i), "a column of the API: AccountNumber, FirstName, LastName, Phone01 to Phone10, TimeZoneBias, DstObserved")
		case kindAccount:
			account = true
		}
	}
	if !account {
		bad("columns", "AccountNumber: without it nobody can tell what the API has")
	}
	return stderrors.Join(errs...)
}

// TryImport posts one batch: header line and at most APIBatch rows. A nil error
// means that the server accepted it. Errors: ErrAPIBusy, ErrInDoubt, *APIError,
// and errors of the network before anything was sent.
func (a *API) TryImport(ctx context.Context, campaign string, content []byte, delimiter string, overwrite bool) error {
	var body bytes.Buffer
	body.Grow(len(content) + 256)
	body.WriteString(`<import><fileContent><![CDATA[`)
	body.Write(bytes.ReplaceAll(content, []byte("]]>"), []byte("]]]]><![CDATA[>"))) // a name may have it
	body.WriteString(`]]></fileContent><delimiter>`)
	_ = xml.EscapeText(&body, []byte(delimiter)) // into memory
	fmt.Fprintf(&body, `</delimiter><overwriteData>%t</overwriteData></import>`, overwrite)
	resp, err := a.do(ctx, http.MethodPost, campaign, "import", &body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return answer(resp)
}

// Import is TryImport that waits out ErrAPIBusy: 5 s, doubled up to 60 s, until ctx ends.
func (a *API) Import(ctx context.Context, campaign string, content []byte, delimiter string, overwrite bool) error {
	wait := backoff.Backoff{Min: APIMinBackoff, Max: APIMaxBackoff, Factor: 2, Jitter: -1}
	for {
		err := a.TryImport(ctx, campaign, content, delimiter, overwrite)
		if !stderrors.Is(err, ErrAPIBusy) {
			return err
		}
		if e := wait.Wait(ctx); e != nil {
			return err
		}
	}
}

// Clear deletes all records of a campaign.
func (a *API) Clear(ctx context.Context, campaign string) error {
	resp, err := a.do(ctx, http.MethodDelete, campaign, "import", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return answer(resp)
}

// Check asks for the template of an import, which needs a server that answers, a login
// that it accepts, and the role for outbound campaigns; nothing changes. Errors:
// *APIError, and those of the network.
func (a *API) Check(ctx context.Context) error {
	resp, err := a.do(ctx, http.MethodGet, "import", "template", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return answer(resp)
}

// Accounts yields the first value (AccountNumber) of every record that the
// campaign has (GET .../import/csv). The sequence ends after the first error.
func (a *API) Accounts(ctx context.Context, campaign string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		resp, err := a.do(ctx, http.MethodGet, campaign, "import/csv", nil)
		if err != nil {
			yield("", err)
			return
		}
		defer resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			yield("", answer(resp))
			return
		}
		at := -1
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 64<<10)
		for lines.Scan() {
			row := strings.Split(strings.TrimRight(lines.Text(), "\r"), ",")
			if at < 0 { // the header
				for i, name := range row {
					if strings.EqualFold(strings.TrimSpace(name), "AccountNumber") {
						at = i
					}
				}
				if at < 0 {
					yield("", &APIError{Status: resp.StatusCode, Message: "the export has no AccountNumber"})
					return
				}
				continue
			}
			if at < len(row) && !yield(row[at], nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield("", errors.Wrap(err, "outboundcsv: API"))
		}
	}
}

func (a *API) do(ctx context.Context, method, campaign, what string, body io.Reader) (*http.Response, error) {
	u := a.base.JoinPath("campaign", url.PathEscape(campaign), what)
	r, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, errors.Wrap(err, "outboundcsv: API")
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/xml")
	}
	r.Header.Set("Accept", "application/xml")
	a.login(r)
	select {
	case a.open <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-a.open }()
	resp, err := a.client.Do(r)
	if err == nil {
		return resp, nil
	}
	var op *net.OpError
	if method == http.MethodGet || stderrors.As(err, &op) && op.Op == "dial" {
		return nil, errors.Wrap(err, "outboundcsv: API")
	}
	return nil, fmt.Errorf("%w: %w", ErrInDoubt, err)
}

// answer turns a response into an error. The body may name customers: only its
// beginning is kept, without what looks like data.
func answer(resp *http.Response) error {
	b, _ := io.ReadAll(io.LimitReader(resp.Body, maxAPIAnswer))
	switch {
	case resp.StatusCode/100 == 2:
		return nil
	case resp.StatusCode == http.StatusServiceUnavailable:
		return ErrAPIBusy
	case resp.StatusCode >= 500:
		return fmt.Errorf("%w: %w", ErrInDoubt, &APIError{resp.StatusCode, http.StatusText(resp.StatusCode)})
	}
	return &APIError{resp.StatusCode, message(b, resp.StatusCode)}
}

// message takes the error type out of <apiErrors><apiError><errorType>.
func message(b []byte, status int) string {
	var e struct {
		Errors []struct {
			Type string `xml:"errorType"`
			Data string `xml:"errorDetail>fieldName"`
		} `xml:"apiError"`
	}
	if xml.Unmarshal(b, &e) == nil && len(e.Errors) > 0 {
		s := e.Errors[0].Type
		if f := e.Errors[0].Data; f != "" {
			s += " field=" + f
		}
		return cutUTF16(s, 200)
	}
	return http.StatusText(status)
}
