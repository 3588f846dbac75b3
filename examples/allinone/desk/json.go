package desk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// maxBody bounds a request body in bytes.
const maxBody = 64 << 10

// reply writes v as JSON.
func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(marshal(v), '\n')) // the caller may have gone
}

// fail writes {"error": text}.
func fail(w http.ResponseWriter, status int, text string) {
	reply(w, status, map[string]string{"error": text})
}

// decode reads a JSON body strictly: an unknown or misspelt field is an error
// that names it. An empty body is an empty object. The content type is not
// looked at, so that curl -d needs no header; guard keeps foreign pages out.
func decode(w http.ResponseWriter, r *http.Request, v any) bool {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if errors.Is(err, io.EOF) {
		return true
	}
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		fail(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes", big.Limit))
		return false
	}
	if err == nil && d.More() {
		err = errors.New("more than one JSON value")
	}
	if err != nil {
		fail(w, http.StatusBadRequest, "body: "+err.Error())
		return false
	}
	return true
}
