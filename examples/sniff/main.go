// Command sniff makes the bytes of the protocols readable.
//
//	sniff decode -protocol cti -version 24 < messages.hex
//
// reads one message per line in hex, header included, and prints one JSON object
// per line.
//
//	sniff proxy -listen 127.0.0.1:42927 -to pg-a:42027 -protocol cti
//
// stands between a client and a server, passes all bytes on as they come, and
// prints one line per message: time, number of the connection, direction (> from
// the client), message, fields. Passwords are shown as asterisks. It listens on
// the loopback address unless -listen names another host.
//
// Run sniff without arguments for the list of subcommands.
package main

import (
	"fmt"
	"io"
	"os"
)

// command is a subcommand. run gets the arguments after its name and returns the
// exit code.
type command struct {
	name, brief string
	run         func(args []string, in io.Reader, out, errs io.Writer) int
}

func commands() []command {
	return []command{
		{"decode", "messages in hex to JSON, one per line", decode},
		{"proxy", "stand between a client and a server, one line per message", proxy},
	}
}

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

func run(args []string, in io.Reader, out, errs io.Writer) int {
	if len(args) > 0 {
		for _, c := range commands() {
			if c.name == args[0] {
				return c.run(args[1:], in, out, errs)
			}
		}
		fmt.Fprintf(errs, "sniff: unknown subcommand %q\n", args[0])
	}
	fmt.Fprintln(errs, "usage: sniff <subcommand> [flags]")
	for _, c := range commands() {
		fmt.Fprintf(errs, "  %-8s %s\n", c.name, c.brief)
	}
	return 2
}
