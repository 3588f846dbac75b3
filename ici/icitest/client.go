package icitest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/connects-go/connects/ici"
)

// maxAnswer is the largest answer that is read, in bytes.
const maxAnswer = 16 << 20

// Client sends requests for one user. Its methods are the operations of the connector, in the words of the
// [ici] package; they send without looking at any state. They return a [*RequestError], which wraps an [*ici.Fault] when
// the connector refused.
type Client struct {
	sap      *SAP
	User     string // SAP user, in the header and as parameter userId
	Language string
}

// RequestError is a request that failed.
type RequestError struct {
	Op     ici.Op
	User   string
	Status int   // HTTP status, 0 when there was no answer
	Err    error // *ici.Fault, or what went wrong
}

// Error names operation, user, status and cause.
func (e *RequestError) Error() string {
	return fmt.Sprintf("icitest: %v of user %s: status %d: %v", e.Op, e.User, e.Status, e.Err)
}

// Unwrap returns what went wrong.
func (e *RequestError) Unwrap() error { return e.Err }

// Do sends one request and returns the result element of the answer.
func (c *Client) Do(ctx context.Context, op ici.Op, args ...Arg) (*Node, error) {
	s := c.sap
	p := s.profile
	body, err := s.names.request(s.cfg.Style, op, c.User, c.Language, args)
	if err != nil {
		return nil, &RequestError{Op: op, User: c.User, Err: err}
	}
	svc := p.OpService(op)
	status, header, answer, err := c.post(ctx, p.OpFullName(op), p.ServicePath(svc), "text/xml; charset=utf-8", body)
	if err != nil {
		return nil, &RequestError{Op: op, User: c.User, Status: status, Err: err}
	}
	result, err := s.readAnswer(c.User, op, status, header, answer)
	if err != nil {
		return nil, &RequestError{Op: op, User: c.User, Status: status, Err: err}
	}
	return result, nil
}

// Post sends a body as it is to a path below the connector's address, for tests with unusual requests, and returns
// status and body of the answer.
func (c *Client) Post(ctx context.Context, path, contentType string, body []byte) (int, []byte, error) {
	status, _, answer, err := c.post(ctx, "", path, contentType, body)
	return status, answer, err
}

func (c *Client) post(ctx context.Context, op, path, contentType string, body []byte) (int, http.Header, []byte, error) {
	s := c.sap
	s.mu.Lock()
	url, closed := s.connector, s.closed
	if !closed {
		s.wg.Add(1)
	}
	s.mu.Unlock()
	switch {
	case closed:
		return 0, nil, nil, ErrClosed
	default:
		defer s.wg.Done()
	}
	if url == "" {
		return 0, nil, nil, ErrNoConnector
	}
	if !s.cfg.BarePath {
		url = strings.TrimRight(url, "/") + path
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.RequestTimeout)
	defer cancel()
	stop := context.AfterFunc(s.ctx, cancel)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	req.Header.Set("Content-Type", contentType)
	req.Header["SOAPAction"] = []string{`""`}
	req.Header.Set("User-Agent", "SAP Web Application Server (1.0;720)")
	if s.cfg.Username != "" {
		req.SetBasicAuth(s.cfg.Username, string(s.cfg.Password))
	}
	s.stats.requests.Add(1)
	start := time.Now()
	status, header, answer, err := s.send(req)
	if s.cfg.Observe != nil {
		s.cfg.Observe(&Message{
			Time: start, System: s.cfg.Name, User: c.User, Op: op, URL: url, Request: body, Response: answer,
			Status: status, Duration: time.Since(start), Err: err,
		})
	}
	return status, header, answer, err
}

func (s *SAP) send(req *http.Request) (int, http.Header, []byte, error) {
	resp, err := s.http.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(answer) > maxAnswer {
		err = errors.New("icitest: answer too large")
	}
	return resp.StatusCode, resp.Header, answer, err
}

// readAnswer takes an answer apart and checks it (reference 4.4).
func (s *SAP) readAnswer(user string, op ici.Op, status int, header http.Header, answer []byte) (*Node, error) {
	p := s.profile
	bad := func(format string, args ...any) {
		s.violate(user, p.OpFullName(op), RuleAnswer, fmt.Sprintf(format, args...), answer)
	}
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		return nil, fmt.Errorf("icitest: connector answers %d", status)
	}
	if ct := header.Get("Content-Type"); !strings.HasPrefix(ct, "text/xml") {
		bad("Content-Type is %q", ct)
		return nil, fmt.Errorf("icitest: answer is %q", ct)
	}
	root, err := parse(answer)
	if err != nil {
		bad("%v", err)
		return nil, err
	}
	element, err := s.bodyOf(root)
	if err != nil {
		bad("%v", err)
		return nil, err
	}
	if element.Name == "Fault" && element.Space == p.Wire(ici.WireEnvelope) {
		if status != http.StatusInternalServerError {
			bad("Fault with status %d", status)
		}
		s.stats.faults.Add(1)
		f := &ici.Fault{
			Text:     element.Child("faultstring").Content(),
			Actor:    element.Child("faultcode").Content(),
			WireCode: element.Child("detail").Child(p.Wire(ici.WireFaultCode)).Content(),
		}
		for c := ici.FaultUnknown + 1; p.FaultName(c) != "unknown"; c++ {
			if p.FaultName(c) == f.WireCode {
				f.Code = c
			}
		}
		if f.Code == ici.FaultUnknown {
			bad("fault code %q", f.WireCode)
		}
		if f.Text == "" {
			bad("fault without text")
		}
		return nil, f
	}
	if status != http.StatusOK {
		bad("no Fault but status %d", status)
		return nil, fmt.Errorf("icitest: status %d", status)
	}
	if want := p.OpName(op) + p.Wire(ici.WireResponseSuffix); element.Name != want || element.Space != p.Namespace(p.OpService(op)) {
		bad("answer element is {%s}%s, want {%s}%s", element.Space, element.Name, p.Namespace(p.OpService(op)), want)
	}
	if len(element.Children) != 1 || element.Children[0].Name != p.OpResultName(op) || element.Children[0].Space != "" {
		bad("answer has not exactly one unqualified child %s", p.OpResultName(op))
		return nil, errors.New("icitest: answer without result")
	}
	return element.Children[0], nil
}

// bodyOf returns the only child of the Body of an envelope.
func (s *SAP) bodyOf(root *Node) (*Node, error) {
	ns := s.profile.Wire(ici.WireEnvelope)
	if root.Name != "Envelope" || root.Space != ns {
		return nil, fmt.Errorf("icitest: root element is {%s}%s", root.Space, root.Name)
	}
	body := root.Child("Body")
	if body == nil || body.Space != ns || len(body.Children) != 1 {
		return nil, errors.New("icitest: envelope without a Body of one element")
	}
	return body.Children[0], nil
}

// result sends a request and reads a struct from the answer.
func result[T any](ctx context.Context, c *Client, op ici.Op, args ...Arg) (T, error) {
	var v T
	n, err := c.Do(ctx, op, args...)
	if err != nil {
		return v, err
	}
	c.sap.names.decode(n, &v, c.bad(op))
	return v, nil
}

// results sends a request and reads an array of structs from the answer.
func results[T any](ctx context.Context, c *Client, op ici.Op, args ...Arg) ([]T, error) {
	n, err := c.Do(ctx, op, args...)
	if err != nil {
		return nil, err
	}
	c.sap.names.checkArray(n, n.Name, c.bad(op))
	out := make([]T, len(n.Children))
	for i, row := range n.Children {
		c.sap.names.decode(row, &out[i], c.bad(op))
	}
	return out, nil
}

func (c *Client) bad(op ici.Op) problem {
	return func(format string, args ...any) {
		c.sap.violate(c.User, op.String(), RuleAnswer, fmt.Sprintf(format, args...), nil)
	}
}

// text sends a request and reads a text from the answer.
func (c *Client) text(ctx context.Context, op ici.Op, args ...Arg) (string, error) {
	n, err := c.Do(ctx, op, args...)
	return n.Content(), err
}

// act sends a request whose answer carries no data.
func (c *Client) act(ctx context.Context, op ici.Op, args ...Arg) error {
	_, err := c.Do(ctx, op, args...)
	return err
}

func (c *Client) user() Arg { return Arg{ici.ParamUserID, c.User} }
