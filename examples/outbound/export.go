package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/connects-go/connects/outboundcsv"
)

func export(ctx context.Context, args []string, stderr io.Writer) int {
	fs := flag.NewFlagSet("export", flag.ContinueOnError)
	fs.SetOutput(stderr)
	profile := fs.String("profile", "", "JSON `file` with the profile; empty: the default profile")
	in := fs.String("in", "", "JSON `file` with an array of planned calls (required)")
	dir := fs.String("dir", "", "import `directory` (required)")
	name := fs.String("name", "contacts.csv", "`name` of the file there")
	report := fs.String("report", "", "JSON `file` for the report (required)")
	if err := fs.Parse(args); err != nil {
		return exitUsage
	}
	if *in == "" || *dir == "" || *report == "" || fs.NArg() > 0 {
		fmt.Fprint(stderr, "outbound: -in, -dir and -report are required\n"+usage)
		return exitUsage
	}
	p := outboundcsv.DefaultProfile()
	if *profile != "" {
		b, err := os.ReadFile(*profile)
		if err == nil {
			p, err = outboundcsv.ParseProfile(b)
		}
		if err != nil {
			fmt.Fprintln(stderr, err)
			return exitUsage
		}
	}
	list, err := os.Open(*in)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	defer list.Close()
	rep, err := newReport(*report)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	defer rep.discard()
	var res outboundcsv.Result
	o := &outboundcsv.Options{Row: rep.row}
	bar := newBar(stderr, list)
	if bar != nil {
		o.Progress = bar.rows
	}
	placed, err := outboundcsv.Place(*dir, *name, func(w io.Writer) (bool, error) {
		var err error
		res, err = outboundcsv.Export(ctx, p, outboundcsv.ReadCalls(list), w, o)
		return res.Written > 0 || p.EmptyList == "write" && err == nil, err
	})
	bar.end()
	var bad *outboundcsv.ProfileError
	if errors.As(err, &bad) {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	if !placed {
		*name = ""
	}
	if err := rep.finish(res, *name); err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	if slices.Contains(res.Codes, outboundcsv.AllRejected) {
		return exitFailed
	}
	return exitOK
}
