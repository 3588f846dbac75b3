// Command crmconnector serves voice agents of SAP CRM on a Cisco contact center.
//
//	crmconnector -config connector.toml           run until interrupted
//	crmconnector -config connector.toml -check    look at everything it needs, and say what is wrong
//
// connector.sample.toml shows every setting. SAP calls port 8080, which also
// answers GET /health and GET /metrics; the CTI servers of the peripheral gateway are
// called at ports 42027 (side A) and 43027 (side B).
// SIGHUP makes it read the language files again.
//
// It exits with 0 after a clean stop or a check without complaints, with 1 when it
// failed or the check found something, and with 2 on bad usage or a bad
// configuration.
package main

import (
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
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("crmconnector", flag.ContinueOnError)
	flags.SetOutput(stderr)
	config := flags.String("config", "", "configuration `file`; see connector.sample.toml")
	onlyCheck := flags.Bool("check", false, "check the configuration and every neighbour, then exit")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitOK
		}
		return exitUsage
	}
	if *config == "" || flags.NArg() > 0 {
		fmt.Fprintln(stderr, "usage: crmconnector -config FILE [-check]")
		return exitUsage
	}
	f, err := loadFile(*config)
	if err != nil {
		fmt.Fprintf(stderr, "%v\n", err)
		return exitUsage
	}
	s, err := f.settings()
	if err != nil {
		fmt.Fprintln(stderr, tomlfile.Prefix(*config, err))
		return exitUsage
	}
	defer s.close()
	if *onlyCheck {
		return check(ctx, f, s, stdout)
	}
	if err := s.crm.Validate(); err != nil {
		fmt.Fprintln(stderr, tomlfile.Prefix(*config, err))
		return exitUsage
	}
	logger := f.Log.logger(stderr)
	if err := s.openStore(&f.Store, logger); err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", *config, err)
		return exitFailed
	}
	return serve(ctx, f, s, logger)
}

func serve(ctx context.Context, f *file, s *settings, logger *slog.Logger) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.crm.Reload = onHangup(ctx)
	node := connects.NewNode(&connects.Options{
		Logger: logger, Version: version(), DrainDelay: f.Listen.DrainDelay.Value(),
	})
	if err := node.Add("crm", connects.CRMConnector(s.crm)); err != nil {
		logger.Error("cannot run", slog.String("err", err.Error()))
		return exitFailed
	}
	if err := node.Run(ctx); err != nil {
		logger.Error("failed", slog.String("err", err.Error()))
		return exitFailed
	}
	return exitOK
}
