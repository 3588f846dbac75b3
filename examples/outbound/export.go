package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/connects-go/connects/outboundcsv"
)

func export(ctx context.Context, args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("export", flag.ContinueOnError)
	flags.SetOutput(stderr)
	profile := flags.String("profile", "", "JSON `file` with the profile; empty: the default profile")
	in := flags.String("in", "", "JSON `file` with an array of planned calls (required)")
	dir := flags.String("dir", "", "import `directory` (required)")
	name := flags.String("name", "contacts.csv", "`name` of the file there")
	report := flags.String("report", "", "JSON `file` for the report (required)")
	if err := flags.Parse(args); err != nil {
		return parsed(err)
	}
	if *in == "" || *dir == "" || *report == "" || flags.NArg() > 0 {
		fmt.Fprint(stderr, "outbound: export needs -in, -dir and -report, and no other argument\n"+usage)
		return exitUsage
	}
	p := outboundcsv.DefaultProfile()
	if *profile != "" {
		b, err := os.ReadFile(*profile)
		if err == nil {
			p, err = outboundcsv.ParseProfile(b)
		}
		if err != nil {
			fmt.Fprintf(stderr, "-profile %s: %v\n", *profile, err)
			return exitUsage
		}
	}
	list, err := os.Open(*in)
	if err != nil {
		fmt.Fprintln(stderr, "-in:", err)
		return exitUsage
	}
	defer list.Close()
	if st, err := os.Stat(*dir); err != nil || !st.IsDir() {
		fmt.Fprintf(stderr, "-dir %s: there is no such directory\n", *dir)
		return exitFailed
	}
	rep, err := newReport(*report)
	if err != nil {
		fmt.Fprintln(stderr, "-report:", err)
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
	if err != nil {
		return notPlaced(ctx, stderr, err, *in, filepath.Join(*dir, *name))
	}
	if !placed {
		*name = ""
	}
	if err := rep.finish(res, *name); err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	if slices.Contains(res.Codes, outboundcsv.AllRejected) {
		fmt.Fprintf(stderr, "%s: every call was rejected, nothing was placed; the reasons are in %s\n", *in, *report)
		return exitFailed
	}
	if n := rep.rejected.n; n > 0 {
		fmt.Fprintf(stderr, "%s: %d placed, %d rejected; the reasons are in %s\n", *in, res.Written, n, *report)
	}
	return exitOK
}

// notPlaced says why the list in was not placed as target, and returns the exit code.
func notPlaced(ctx context.Context, stderr io.Writer, err error, in, target string) int {
	bad, isBad := errors.AsType[*outboundcsv.ProfileError](err)
	_, names := errors.AsType[*fs.PathError](err) // its own file
	switch {
	case isBad && bad.Key == "name":
		fmt.Fprintln(stderr, "-name: want", bad.Want)
		return exitUsage
	case isBad:
		fmt.Fprintln(stderr, err)
		return exitUsage
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "interrupted, nothing was placed")
	case errors.Is(err, outboundcsv.ErrWaiting):
		fmt.Fprintf(stderr, "%v: %s is still there\n", err, target)
	case names:
		fmt.Fprintln(stderr, err)
	default:
		fmt.Fprintf(stderr, "%s: %v\n", in, err)
	}
	return exitFailed
}
