package ici

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
)

// learner remembers which calls with unknown names were logged whole.
type learner struct {
	mu    sync.Mutex
	seen  map[string]bool
	limit int
}

// first reports whether a name is seen for the first time, up to the limit of names.
func (l *learner) first(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen[name] || len(l.seen) >= l.limit {
		return false
	}
	if l.seen == nil {
		l.seen = map[string]bool{}
	}
	l.seen[name] = true
	return true
}

// maxLearned is the number of bytes of a call that are logged.
const maxLearned = 16 << 10

// learnOperation logs a call whose operation the profile does not know: the first of each name with everything in it,
// so that its name can be entered in an override file.
func (s *Server) learnOperation(ctx context.Context, r *Request, hr *http.Request) {
	s.learned(ctx, r, hr, r.body.Space()+" "+r.Name, "ici unknown operation, answered with an empty response")
}

// learnElements does the same with elements that are no parameter of a known operation. The call goes on without them.
func (s *Server) learnElements(ctx context.Context, r *Request, hr *http.Request) {
	key := make([]byte, 0, 64)
	key = append(append(key, r.Name...), ' ')
	for c := r.body.First(); c.Exists(); c = c.Next() {
		if r.Profile.paramAny(c.Name()) == ParamUnknown {
			key = append(append(key, ' '), c.Name()...)
		}
	}
	s.learned(ctx, r, hr, string(key), "ici unknown parameter ignored")
}

func (s *Server) learned(ctx context.Context, r *Request, hr *http.Request, key, msg string) {
	level := slog.LevelDebug
	attrs := []slog.Attr{
		slog.String("namespace", r.body.Space()), slog.String("operation", r.Name), slog.String("user", r.User),
		slog.String("system", r.System), slog.String("path", clip(hr.URL.Path)),
	}
	if s.learn.first(key) {
		level = slog.LevelWarn
		attrs = append(attrs, slog.String("soapaction", clip(hr.Header.Get("SOAPAction"))), slog.String("body", r.redacted(maxLearned)))
	}
	s.log.LogAttrs(ctx, level, msg, attrs...)
}

// secretWords are parts of element names whose content is not logged. The profile names further parameters.
var secretWords = []string{"password", "passwd", "pwd", "secret", "token", "credential", "pin", "workcenter", "workplace", "auth"}

// redacted writes the operation element for a log, with the content of password-like elements replaced by ****.
func (r *Request) redacted(limit int) string {
	var b strings.Builder
	var walk func(e Element, depth int)
	walk = func(e Element, depth int) {
		if b.Len() > limit || depth > DefaultDepthLimit {
			return
		}
		b.WriteString("<" + e.Name() + ">")
		switch {
		case r.secret(e):
			b.WriteString("****")
		case e.First().Exists():
			for c := e.First(); c.Exists(); c = c.Next() {
				walk(c, depth+1)
			}
		default:
			b.Write(appendEscaped(nil, e.Text()))
		}
		b.WriteString("</" + e.Name() + ">")
	}
	walk(r.body, 0)
	if b.Len() > limit {
		return strings.ToValidUTF8(b.String()[:limit], "") + "..."
	}
	return b.String()
}

func (r *Request) secret(e Element) bool {
	name := strings.ToLower(e.Name())
	if x := r.Profile.paramAny(e.Name()); x != ParamUnknown && r.Profile.secret[x] {
		return true
	}
	for _, w := range secretWords {
		if strings.Contains(name, w) {
			return true
		}
	}
	// A text with semicolons and no blanks looks like a work centre text: agent;password;device.
	s := e.Text()
	return !e.First().Exists() && strings.Count(s, ";") >= 2 && !strings.ContainsAny(s, " <\n")
}
