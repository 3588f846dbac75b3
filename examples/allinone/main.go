// Command allinone shows the whole product on one machine, without
// configuration: a simulated Cisco peripheral gateway with its CTI server sides
// A and B, the connector with a data store pair, a simulated SAP Interaction
// Center, and a page where a person plays with all of it.
//
//	go run ./examples/allinone
//
// Simulator agents have the ids 1001, 1002, ..., the phones 2001, 2002, ... and
// the password "pw" followed by the id; the skill group is dialled as 5001.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// stopWithin bounds the end after Ctrl-C; a second Ctrl-C ends at once.
const stopWithin = 2 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with its surroundings as arguments. It returns the exit code: 0
// after a clean end, 1 when something failed, 2 on bad usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("allinone", flag.ContinueOnError)
	fs.SetOutput(stderr)
	host := fs.String("host", "127.0.0.1", "`address` where everything listens; anything but loopback opens the simulators to the network")
	agents := fs.Int("agents", 20, "`number` of simulated agents, 1 to 5000")
	noSAP := fs.Bool("no-sap", false, "somebody else plays SAP")
	noPG := fs.Bool("no-pg", false, "somebody else plays the peripheral gateway, at the same addresses")
	verbose := fs.Bool("v", false, "log what happens")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if fs.NArg() > 0 || *agents < 1 || *agents > 5000 || net.ParseIP(*host) == nil && *host != "localhost" {
		fmt.Fprintln(stderr, "allinone: want -host ADDRESS, -agents 1..5000 and no other arguments")
		fs.Usage()
		return 2
	}
	log := slog.New(slog.DiscardHandler)
	if *verbose {
		log = slog.New(slog.NewTextHandler(stderr, nil))
	}
	l, err := startLab(ctx, labConfig{
		Host: *host, Agents: *agents, NoSAP: *noSAP, NoPG: *noPG, Logger: log,
		SideA: "42027", SideB: "43027", StoreA: "42029", StoreB: "42129", ICI: "8080", Desk: "8090",
	})
	if err != nil {
		fmt.Fprintln(stderr, "allinone:", err)
		return 1
	}
	fmt.Fprintln(stdout, l.ready())
	failed := l.wait(ctx)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	if err := errors.Join(failed, l.stop(end)); err != nil {
		fmt.Fprintln(stderr, "allinone:", err)
		return 1
	}
	return 0
}
