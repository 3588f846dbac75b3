// Package wsx is the one place that knows the WebSocket library.
//
// A [Conn] carries whole text messages. A console or page accepts one with
// [Accept], writes to it, and watches [Conn.Done] to learn that the viewer left:
//
//	c, err := wsx.Accept(w, r)
//	if err != nil {
//		return // the answer is written
//	}
//	defer c.Close()
//	for {
//		select {
//		case <-c.Done():
//			return
//		case msg := <-updates:
//			if err := c.Write(r.Context(), msg); err != nil {
//				return
//			}
//		}
//	}
//
// The library stands behind its frozen import path; all its names stay in this
// package so that a change of library is a change of one file.
package wsx

import (
	"context"
	"net/http"
	"time"

	"github.com/pkg/errors"
	"nhooyr.io/websocket"
)

// WriteTimeout is how long [Conn.Write] waits for a viewer that does not read
// before it gives the viewer up.
const WriteTimeout = 5 * time.Second

// MaxMessage is the largest message in bytes that a peer may send; a larger one
// closes the connection.
const MaxMessage = 64 << 10

// Conn is one WebSocket connection. Write may be called from one goroutine at a time.
type Conn struct {
	c    *websocket.Conn
	done <-chan struct{}
}

// Accept upgrades an HTTP request. A request whose Origin is another host is
// refused with 403. When an error is returned, the HTTP answer is already
// written. Messages that the peer sends on this connection end it: it is a feed.
func Accept(w http.ResponseWriter, r *http.Request) (*Conn, error) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return nil, errors.Wrap(err, "wsx: accept")
	}
	c.SetReadLimit(MaxMessage)
	ctx := c.CloseRead(context.WithoutCancel(r.Context()))
	return &Conn{c: c, done: ctx.Done()}, nil
}

// Done is closed when the peer has gone.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Write sends one text message and waits at most [WriteTimeout].
func (c *Conn) Write(ctx context.Context, msg []byte) error {
	ctx, cancel := context.WithTimeout(ctx, WriteTimeout)
	defer cancel()
	return errors.Wrap(c.c.Write(ctx, websocket.MessageText, msg), "wsx: write")
}

// Close ends the connection. It may be called more than once and at any time.
func (c *Conn) Close() error {
	return errors.Wrap(c.c.Close(websocket.StatusNormalClosure, ""), "wsx: close")
}

// Dial connects to a feed; url is http, https, ws or wss. For tests and tools.
func Dial(ctx context.Context, url string) (*Client, error) {
	c, resp, err := websocket.Dial(ctx, url, nil)
	if resp != nil && resp.Body != nil {
		defer resp.Body.Close()
	}
	if err != nil {
		return nil, errors.Wrap(err, "wsx: dial")
	}
	c.SetReadLimit(16 << 20)
	return &Client{c: c}, nil
}

// Client is the viewer's end of a feed.
type Client struct{ c *websocket.Conn }

// Read returns the next message. When ctx ends, the connection is closed.
func (c *Client) Read(ctx context.Context) ([]byte, error) {
	_, b, err := c.c.Read(ctx)
	return b, errors.Wrap(err, "wsx: read")
}

// Close ends the connection.
func (c *Client) Close() error {
	return errors.Wrap(c.c.Close(websocket.StatusNormalClosure, ""), "wsx: close")
}
