package outboundtest

import (
	"encoding/csv"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Limits of the server (Developer Reference, Outbound API, Import).
const (
	MaxRecords = 10_000
	MaxQueued  = 30
)

// ServerOptions configure a [Server]. Nil means the zero value.
type ServerOptions struct {
	User, Password string // basic authentication; an empty user lets everybody in
}

// Fault makes one import request go wrong.
type Fault int

// Faults for [Server.Fail].
const (
	// Busy answers 503, as a full queue does.
	Busy Fault = iota + 1
	// LoseAnswer accepts the records and cuts the connection.
	LoseAnswer
	// CutBefore cuts the connection and accepts nothing.
	CutBefore
	// Refuse answers 400.
	Refuse
)

// Server is the part of the configuration server that outbound campaigns need. It
// is an http.Handler; its methods are safe for concurrent use.
type Server struct {
	o ServerOptions

	mu        sync.Mutex
	campaigns map[string]*campaign
	faults    []Fault
	held      bool
	queued    int
	released  chan struct{}
	requests  []int // records of each accepted request
	most      int
}

type campaign struct {
	header []string
	rows   [][]string
}

// NewServer returns a server without records. Every campaign exists.
func NewServer(o *ServerOptions) *Server {
	s := &Server{campaigns: map[string]*campaign{}, released: make(chan struct{})}
	if o != nil {
		s.o = *o
	}
	return s
}

// Fail makes the next import requests go wrong, one fault each.
func (s *Server) Fail(faults ...Fault) {
	s.mu.Lock()
	s.faults = append(s.faults, faults...)
	s.mu.Unlock()
}

// Hold makes import requests stay open; at most MaxQueued are, others get 503.
func (s *Server) Hold(on bool) {
	s.mu.Lock()
	s.held = on
	close(s.released)
	s.released = make(chan struct{})
	s.mu.Unlock()
}

// Records returns the rows of a campaign, as they came.
func (s *Server) Records(id string) [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.campaigns[id]; c != nil {
		return slices.Clone(c.rows)
	}
	return nil
}

// Requests returns how many records each accepted import had, in order.
func (s *Server) Requests() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// MostOpen returns how many imports were open at the same time at most.
func (s *Server) MostOpen() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if u, p, _ := r.BasicAuth(); s.o.User != "" && (u != s.o.User || p != s.o.Password) {
		http.Error(w, "", http.StatusUnauthorized)
		return
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/unifiedconfig/config/campaign/")
	id, what, _ := strings.Cut(rest, "/")
	switch {
	case !ok || id == "":
		http.NotFound(w, r)
	case rest == "import/template" && r.Method == http.MethodGet:
		fmt.Fprintln(w, "AccountNumber,FirstName,LastName,Phone01,Phone02,TimeZoneBias,DstObserved")
	case what == "import" && r.Method == http.MethodPost:
		s.post(w, r, id)
	case what == "import" && r.Method == http.MethodDelete:
		s.mu.Lock()
		delete(s.campaigns, id)
		s.mu.Unlock()
	case what == "import/csv" && r.Method == http.MethodGet:
		s.export(w, id)
	default:
		http.NotFound(w, r)
	}
}

func (s *Server) post(w http.ResponseWriter, r *http.Request, id string) {
	fault, ok := s.enter()
	if !ok || fault == Busy {
		if ok {
			s.leave()
		}
		http.Error(w, "", http.StatusServiceUnavailable)
		return
	}
	defer s.leave()
	s.wait(r)
	var in struct {
		XMLName   xml.Name `xml:"import"`
		Content   string   `xml:"fileContent"`
		Delimiter string   `xml:"delimiter"`
		Overwrite bool     `xml:"overwriteData"`
	}
	if fault == CutBefore {
		panic(http.ErrAbortHandler)
	}
	if err := xml.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<20)).Decode(&in); err != nil || fault == Refuse {
		refuse(w, "invalidInput", "fileContent")
		return
	}
	lines := strings.Split(strings.TrimRight(strings.ReplaceAll(in.Content, "\r\n", "\n"), "\n"), "\n")
	header := strings.Split(lines[0], in.Delimiter)
	if problem := headerProblem(header); problem != "" {
		refuse(w, "invalidInput", problem)
		return
	}
	if len(lines)-1 > MaxRecords {
		refuse(w, "tooManyRecords", "fileContent")
		return
	}
	var rows [][]string
	for _, line := range lines[1:] {
		row := strings.Split(line, in.Delimiter)
		if problem := rowProblem(header, row); problem != "" {
			refuse(w, "invalidInput", problem)
			return
		}
		rows = append(rows, row)
	}
	s.mu.Lock()
	c := s.campaigns[id]
	if c == nil || in.Overwrite {
		c = &campaign{}
		s.campaigns[id] = c
	}
	c.header = header
	c.rows = append(c.rows, rows...)
	s.requests = append(s.requests, len(rows))
	s.mu.Unlock()
	if fault == LoseAnswer {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(http.StatusOK)
}

// enter counts a request, and reports false when the queue is full.
func (s *Server) enter() (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queued >= MaxQueued {
		return 0, false
	}
	s.queued++
	s.most = max(s.most, s.queued)
	var f Fault
	if len(s.faults) > 0 {
		f, s.faults = s.faults[0], s.faults[1:]
	}
	return f, true
}

func (s *Server) leave() {
	s.mu.Lock()
	s.queued--
	s.mu.Unlock()
}

func (s *Server) wait(r *http.Request) {
	for {
		s.mu.Lock()
		held, released := s.held, s.released
		s.mu.Unlock()
		if !held {
			return
		}
		select {
		case <-released:
		case <-r.Context().Done():
			return
		}
	}
}

func (s *Server) export(w http.ResponseWriter, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "text/csv")
	out := csv.NewWriter(w)
	header := []string{"AccountNumber"}
	c := s.campaigns[id]
	if c != nil {
		header = c.header
	}
	_ = out.Write(header)
	if c != nil {
		_ = out.WriteAll(c.rows)
	}
	out.Flush()
}

func refuse(w http.ResponseWriter, kind, field string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(http.StatusBadRequest)
	fmt.Fprintf(w, `<apiErrors><apiError><errorDetail><fieldName>%s</fieldName></errorDetail><errorType>%s</errorType></apiError></apiErrors>`, field, kind)
}

func headerProblem(header []string) string {
	for _, h := range header {
		switch {
		case h == "AccountNumber", h == "FirstName", h == "LastName", h == "TimeZoneBias", h == "DstObserved":
		case len(h) == 7 && h >= "Phone01" && h <= "Phone10":
		default:
			return h
		}
	}
	return ""
}

// rowProblem checks the limits of the fields.
func rowProblem(header, row []string) string {
	if len(row) != len(header) {
		return "columns"
	}
	phones := 0
	for i, h := range header {
		v := row[i]
		switch {
		case h == "AccountNumber" && len(v) > 30, strings.HasSuffix(h, "Name") && len([]rune(v)) > 50:
			return h
		case strings.HasPrefix(h, "Phone") && v != "":
			if len(v) > 20 || strings.Trim(v, "0123456789*#") != "" {
				return h
			}
			phones++
		}
	}
	if phones == 0 {
		return "Phone01"
	}
	return ""
}
