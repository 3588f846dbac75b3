package ici

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// gzipThreshold is the size from which compression pays.
const gzipThreshold = 2048

// maxKeptBuffer is the size up to which buffers are used again.
const maxKeptBuffer = 256 << 10

// buffers are what one call needs; they are used again for the next.
type buffers struct {
	in  bytes.Buffer
	out []byte
	zip bytes.Buffer
	zw  *gzip.Writer
	zr  *gzip.Reader
}

func (s *Server) recycle(b *buffers) {
	if b.in.Cap() > maxKeptBuffer || cap(b.out) > maxKeptBuffer || b.zip.Cap() > maxKeptBuffer {
		return
	}
	b.in.Reset()
	b.out = b.out[:0]
	s.buffers.Put(b)
}

func (b *buffers) compress(data []byte) ([]byte, bool) {
	b.zip.Reset()
	if b.zw == nil {
		b.zw, _ = gzip.NewWriterLevel(&b.zip, gzip.BestSpeed)
	} else {
		b.zw.Reset(&b.zip)
	}
	if _, err := b.zw.Write(data); err != nil {
		return nil, false
	}
	if err := b.zw.Close(); err != nil {
		return nil, false
	}
	return b.zip.Bytes(), true
}

var errEncoding = errors.New("ici: content encoding is not supported")

// readBody reads the whole body within the limits of size and time. The status is for the answer when it fails.
func (s *Server) readBody(b *buffers, w http.ResponseWriter, r *http.Request) ([]byte, int, error) {
	if r.ContentLength > s.limits.Body {
		return nil, http.StatusRequestEntityTooLarge, ErrTooLarge
	}
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(s.opts.ReadTimeout)) // not every ResponseWriter has one
	defer func() { _ = rc.SetReadDeadline(time.Time{}) }()
	b.in.Reset()
	var src io.Reader = http.MaxBytesReader(w, r.Body, s.limits.Body)
	switch enc := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); enc {
	case "", "identity":
	case "gzip", "x-gzip":
		if b.zr == nil {
			b.zr = new(gzip.Reader)
		}
		if err := b.zr.Reset(src); err != nil {
			return nil, bodyStatus(err), err
		}
		// One byte more than allowed, so that a bomb shows without being unpacked.
		src = io.LimitReader(b.zr, s.limits.Body+1)
	default:
		return nil, http.StatusUnsupportedMediaType, errEncoding
	}
	if _, err := b.in.ReadFrom(src); err != nil {
		return nil, bodyStatus(err), err
	}
	if int64(b.in.Len()) > s.limits.Body {
		return nil, http.StatusRequestEntityTooLarge, ErrTooLarge
	}
	return b.in.Bytes(), 0, nil
}

func bodyStatus(err error) int {
	var tooLarge *http.MaxBytesError
	var netErr net.Error
	switch {
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return http.StatusRequestTimeout
	}
	return http.StatusBadRequest
}

// unreadable answers a body that is no SOAP call with a fault, and logs why.
func (s *Server) unreadable(w http.ResponseWriter, hr *http.Request, sys *System, buf *buffers, status int, err error) {
	s.stats.unreadable.Add(1)
	if errors.Is(err, ErrTooLarge) {
		status = http.StatusRequestEntityTooLarge
	}
	level := slog.LevelWarn
	if errors.Is(err, context.Canceled) || errors.Is(err, io.ErrUnexpectedEOF) {
		level = slog.LevelInfo // the caller went away
	}
	if ok, dropped := s.sparing.allow(time.Now()); ok {
		s.log.LogAttrs(hr.Context(), level, "ici request unreadable", slog.Int("status", status), slog.String("err", err.Error()),
			slog.String("path", clip(hr.URL.Path)), slog.String("peer", hr.RemoteAddr), slog.String("system", sys.Name), slog.Int("not_logged", dropped))
	}
	text := err.Error()
	if status == http.StatusRequestTimeout {
		text = "it did not arrive in time" // the error names our sockets
	}
	f := &Fault{Code: FaultGeneric, Actor: "Client", Text: "The request cannot be read: " + text}
	if errors.Is(err, ErrVersion) {
		f.Actor = "VersionMismatch"
	}
	if status == http.StatusRequestTimeout || status == http.StatusRequestEntityTooLarge {
		w.Header().Set("Connection", "close")
	}
	buf.out = sys.Profile.AppendFault(buf.out[:0], f)
	s.write(w, hr, buf, status)
}

// acceptsGzip reports whether the caller takes gzip.
func acceptsGzip(r *http.Request) bool {
	for _, line := range r.Header["Accept-Encoding"] {
		for part := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
			if strings.EqualFold(strings.TrimSpace(name), "gzip") {
				q := strings.ReplaceAll(params, " ", "")
				return q != "q=0" && !strings.HasPrefix(q, "q=0.0")
			}
		}
	}
	return false
}
