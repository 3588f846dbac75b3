// Command outbound turns lists of planned calls into files for an import rule of
// Cisco Outbound Option.
//
//	outbound serve -config outbound.toml [-check]     take lists from SAP until interrupted
//	outbound export -in calls.json -dir DIR -report report.json [-profile profile.json] [-name contacts.csv]
//	outbound check-definition sapphone.json recording.json...
//
// outbound.sample.toml shows every setting of serve; its console is at port 9015.
//
// It exits with 0 after a clean stop, when a file was placed or nothing was to be
// placed, with 1 when something failed or every call of a list was rejected, and with 2 on bad
// usage, a bad configuration or a bad profile. The report of an export is written when its list
// was read to the end, also if nothing of it was placed; without that, an older report stays.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage: outbound serve -config FILE [-check]
       outbound export -in FILE -dir DIR -report FILE [-profile FILE] [-name NAME]
       outbound check-definition DEFINITION [RECORDING...]
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stderr))
}

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// parsed is the exit code after the flags could not be read, or only asked for help.
func parsed(err error) int {
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	return exitUsage
}

func run(ctx context.Context, args []string, stderr io.Writer) int {
	if len(args) > 0 {
		switch args[0] {
		case "help", "-h", "-help", "--help":
			fmt.Fprint(stderr, usage)
			return exitOK
		case "serve":
			return serve(ctx, args[1:], stderr)
		case "export":
			return export(ctx, args[1:], stderr)
		case "check-definition":
			return checkDefinition(args[1:], stderr)
		}
	}
	if len(args) > 0 {
		fmt.Fprintf(stderr, "outbound: no command %q\n", args[0])
	}
	fmt.Fprint(stderr, usage)
	return exitUsage
}
