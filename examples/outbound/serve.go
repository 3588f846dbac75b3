package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/connects-go/connects"
	"github.com/connects-go/connects/examples/internal/tomlfile"
	"github.com/connects-go/connects/outboundcsv/sapphone"
)

// serve runs the connector until ctx ends, or with -check only looks at the
// configuration and what it names.
func serve(ctx context.Context, args []string, stderr io.Writer) int {
	fs := flag.NewFlagSet("serve", flag.ContinueOnError)
	fs.SetOutput(stderr)
	config := fs.String("config", "", "configuration `file`; see outbound.sample.toml (required)")
	check := fs.Bool("check", false, "look at the configuration and the neighbours that it names, then exit")
	if err := fs.Parse(args); err != nil {
		return parsed(err)
	}
	if *config == "" || fs.NArg() > 0 {
		fmt.Fprint(stderr, "outbound: serve needs -config and no other argument\n"+usage)
		return exitUsage
	}
	f, err := parse(*config)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	o := &slog.HandlerOptions{Level: f.Log.Level}
	logger := slog.New(slog.NewTextHandler(stderr, o))
	if f.Log.Format == "json" {
		logger = slog.New(slog.NewJSONHandler(stderr, o))
	}
	if *check {
		c, store, err := f.setting(slog.New(slog.DiscardHandler)) // findings only
		if store != nil {
			store.Close() // each side is asked by itself
		}
		return checkAll(ctx, f, c, err, stderr)
	}
	c, store, err := f.setting(logger)
	if store != nil {
		defer store.Close()
	}
	if err != nil {
		fmt.Fprintln(stderr, tomlfile.Prefix(*config, err))
		return exitUsage
	}
	node := connects.NewNode(&connects.Options{Logger: logger})
	if err := node.Add("outbound", connects.Outbound(c)); err != nil {
		logger.Error("cannot run", slog.String("err", err.Error()))
		return exitFailed
	}
	if err := node.Run(ctx); err != nil {
		logger.Error("failed", slog.String("err", err.Error()))
		return exitFailed
	}
	return exitOK
}

// checkDefinition compares a definition file with recordings.
func checkDefinition(args []string, stderr io.Writer) int {
	fs := flag.NewFlagSet("check-definition", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() { fmt.Fprint(stderr, usage) }
	if err := fs.Parse(args); err != nil {
		return parsed(err)
	}
	if args = fs.Args(); len(args) < 1 {
		fmt.Fprint(stderr, "outbound: check-definition needs a definition file\n"+usage)
		return exitUsage
	}
	r, err := os.Open(args[0])
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	defer r.Close()
	d, err := sapphone.ParseDefinitions(r)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", args[0], err)
		return exitFailed
	}
	var all []*sapphone.Recording
	for _, name := range args[1:] {
		r, err := os.Open(name)
		if err != nil {
			fmt.Fprintln(stderr, err)
			return exitUsage
		}
		rec, err := sapphone.ReadRecording(r)
		r.Close()
		if err != nil {
			fmt.Fprintf(stderr, "%s: %v\n", name, err)
			return exitFailed
		}
		all = append(all, rec)
	}
	problems := d.Check(all...)
	for _, p := range problems {
		fmt.Fprintln(stderr, p)
	}
	if problems != nil {
		return exitFailed
	}
	fmt.Fprintf(stderr, "the definition explains %d recording(s)\n", len(all))
	return exitOK
}
