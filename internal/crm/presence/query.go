package presence

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a search.
const (
	// MaxQuery is the longest search text in bytes.
	MaxQuery = 256
	// MaxTerms is the most terms of a search.
	MaxTerms = 8
)

// Reasons inside a [*QueryError]; compare with errors.Is.
var (
	// ErrWildcard: * stands somewhere but at the end of a term.
	ErrWildcard = errors.New("presence: * is allowed only at the end of a term")
	// ErrTooLong: the search text or the number of terms is above the limit.
	ErrTooLong = errors.New("presence: search is too long")
	// ErrEncoding: the search text is not UTF-8.
	ErrEncoding = errors.New("presence: search is not UTF-8")
)

// QueryError says why a search is not possible.
type QueryError struct {
	// Term is the number of the term at fault, from 1; zero for the whole.
	Term int
	// Err is one of the reasons of this package.
	Err error
}

// Error returns one line for people, in English.
func (e *QueryError) Error() string {
	if e.Term == 0 {
		return e.Err.Error()
	}
	return e.Err.Error() + ": term " + strconv.Itoa(e.Term)
}

// Unwrap returns the reason.
func (e *QueryError) Unwrap() error { return e.Err }

// Query is a search that was understood. The zero value finds all agents who
// are logged on.
type Query struct {
	terms []term
}

type term struct {
	word   string // folded
	other  string // with umlauts as two letters, if that differs
	prefix bool
}

// ParseQuery reads what an agent typed. An error is a [*QueryError].
func ParseQuery(s string) (Query, error) {
	if len(s) > MaxQuery {
		return Query{}, &QueryError{Err: ErrTooLong}
	}
	if !utf8.ValidString(s) {
		return Query{}, &QueryError{Err: ErrEncoding}
	}
	var q Query
	n := 0
	for word := range strings.FieldsSeq(s) {
		n++
		if n > MaxTerms {
			return Query{}, &QueryError{Term: n, Err: ErrTooLong}
		}
		t := term{word: word}
		if t.word, t.prefix = strings.CutSuffix(word, "*"); strings.Contains(t.word, "*") {
			return Query{}, &QueryError{Term: n, Err: ErrWildcard}
		}
		if t.other = spelled(t.word); t.other == Fold(t.word) {
			t.other = ""
		}
		if t.word = Fold(t.word); t.word != "" {
			q.terms = append(q.terms, t)
		}
	}
	return q, nil
}

// All reports whether the query finds all agents who are logged on.
func (q Query) All() bool { return len(q.terms) == 0 }

// match reports whether each term fits one of the words.
func (q Query) match(words []string) bool {
	for i := range q.terms {
		if !q.terms[i].match(words) {
			return false
		}
	}
	return true
}

func (t *term) match(words []string) bool {
	for _, w := range words {
		if w == t.word || t.prefix && strings.HasPrefix(w, t.word) ||
			t.other != "" && (w == t.other || t.prefix && strings.HasPrefix(w, t.other)) {
			return true
		}
	}
	return false
}
