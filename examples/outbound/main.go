// Command outbound turns a list of planned calls into a file for an import rule
// of Cisco Outbound Option.
//
//	outbound export -profile profile.json -in calls.json -dir DIR -report report.json [-name contacts.csv]
//
// It exits with 0 when a file was placed or nothing was to be placed, with 1
// when the list failed, and with 2 on bad usage or a bad profile.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage: outbound export -profile FILE -in FILE -dir DIR -report FILE [-name NAME]
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

func run(ctx context.Context, args []string, stderr io.Writer) int {
	if len(args) == 0 || args[0] != "export" {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	return export(ctx, args[1:], stderr)
}
