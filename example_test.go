package connects_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	"github.com/connects-go/connects"
)

// greeter is a component with a listener and a goroutine.
type greeter struct {
	host   connects.Host
	server http.Server
	wg     sync.WaitGroup
}

func newGreeter(h connects.Host) (connects.Component, error) {
	return &greeter{host: h, server: http.Server{Handler: http.NotFoundHandler()}}, nil
}

func (g *greeter) Start(ctx context.Context) error {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	connects.Go(g.host, &g.wg, func() { // a panic in there stops the node
		if err := g.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			g.host.Fail(err)
		}
	})
	g.host.SetState(connects.StateInactive) // nobody called yet
	return nil
}

func (g *greeter) Stop(ctx context.Context) error {
	err := g.server.Shutdown(ctx)
	g.wg.Wait()
	return err
}

func ExampleNode() {
	ctx := context.Background()
	node := connects.NewNode(nil)
	if err := node.Add("greeter", newGreeter); err != nil {
		fmt.Println(err)
		return
	}
	if err := node.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	h := node.Health()
	fmt.Println(h.Phase, h.State, h.Condition, h.Ready())
	fmt.Println(node.Stop(ctx))
	h = node.Health()
	fmt.Println(h.Phase, h.State, h.Ready())
	// Output:
	// running INACTIVE ok true
	// <nil>
	// stopped STOPPED false
}
