// Command datastore keeps data for connectors: attached data of calls, and what a
// connector must not forget over a restart.
//
//	datastore -dir store                                         alone
//	datastore -side A -partner other.example.com:42029 ...       one side of a pair
//	datastore -config datastore.toml                             settings from a file
//	datastore -witness -a a.example.com:42029 -b b.example.com:42029 -name w1
//
// The last one stores nothing: on a third machine it is the third voter for a pair with a
// connector beside each side, so that one machine may end. See ds104.Pair, Layouts.
//
// Connectors use port 42029, the web page is at 42028 and the console at 42030. Without
// -listen only this machine can reach it; with it, set a token or certificates too.
// Settings of the command line win over those of the file; datastore.sample.toml shows
// all of them. Secrets are read from files, never from the command line.
//
// It exits with 0 after a clean stop, with 1 when it failed, and with 2 on bad usage or
// a bad configuration.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/connects-go/connects"
	"github.com/connects-go/connects/examples/internal/tomlfile"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stderr))
}

func run(ctx context.Context, args []string, stderr io.Writer) int {
	var s settings
	flags := flag.NewFlagSet("datastore", flag.ContinueOnError)
	flags.SetOutput(stderr)
	config := flags.String("config", "", "configuration `file`; see datastore.sample.toml")
	flags.StringVar(&s.Side, "side", "", "A or B: one side of a pair")
	flags.StringVar(&s.Partner, "partner", "", "`address` of the other side")
	flags.StringVar(&s.Dir, "dir", "", "`directory` that keeps the entries; none = in memory only")
	flags.StringVar(&s.File, "file", "", "one `file` that keeps the entries, in place of -dir: slower, may be larger than memory")
	flags.StringVar(&s.Listen, "listen", "", "`address` for connectors (default "+connects.DefaultDataStoreListen+")")
	flags.StringVar(&s.Page, "page", "", "`address` of the web page, or off (default "+connects.DefaultDataStorePage+")")
	flags.StringVar(&s.Console, "console", "", "`address` of the console, or off (default "+connects.DefaultDataStoreConsole+")")
	flags.StringVar(&s.TokenFile, "token-file", "", "`file` with the token that connectors have to send")
	flags.StringVar(&s.Name, "name", "", "`name` shown to people; of a witness its name as a voter")
	flags.BoolVar(&s.Witness, "witness", false, "store nothing, only vote in the pair at -a and -b")
	flags.StringVar(&s.A, "a", "", "witness: `address` of side A")
	flags.StringVar(&s.B, "b", "", "witness: `address` of side B")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitOK
		}
		return exitUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "datastore: %q is no flag; usage: datastore [flags], -help shows them\n", flags.Arg(0))
		return exitUsage
	}
	set, err := load(*config, s)
	var run connects.Factory
	if err == nil {
		run, err = set.factory()
		err = tomlfile.Prefix(cmp.Or(*config, "datastore"), err)
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	node := connects.NewNode(&connects.Options{Logger: logger})
	if err := node.Add("datastore", run); err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	if err := node.Run(ctx); err != nil && ctx.Err() == nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	return exitOK
}
