package connects

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/connects-go/connects/internal/console"
	"github.com/connects-go/connects/internal/crm"
)

// consoleCommands are what an operator can ask the connector (operations
// reference, section 12.4: names are proposals).
func (c *crmComponent) consoleCommands() []console.Command {
	return []console.Command{
		{Name: "status", Help: "how it goes, in one line for each link", Run: c.consoleStatus},
		{Name: "agents", Args: "[filter]", Help: "agents; filter is a part of user, id, name or phone", Run: c.consoleAgents},
		{Name: "calls", Help: "calls at the agents' desktops", Run: c.consoleCalls},
		{Name: "stats", Help: "all counters as JSON", Run: func(_ context.Context, w io.Writer, _ []string) error {
			e := json.NewEncoder(w)
			e.SetIndent("", "  ")
			return e.Encode(c.domain.Stats())
		}},
		{Name: "reload", Help: "read the language files again", Run: func(_ context.Context, w io.Writer, _ []string) error {
			if err := c.domain.ReloadLanguages(); err != nil {
				return err
			}
			_, err := fmt.Fprintln(w, "languages read")
			return err
		}},
	}
}

func (c *crmComponent) consoleStatus(_ context.Context, w io.Writer, _ []string) error {
	st := c.domain.Stats()
	state := StateInactive
	if c.active.Load() {
		state = StateActive
	}
	fmt.Fprintf(w, "%v  agents %d, logged on %d, with a SAP session %d, stale %d  calls %d\n", state, st.Agents, st.LoggedOn, st.Subscribed, st.Stale, st.Calls)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, l := range c.Links() {
		since := ""
		if !l.Since.IsZero() {
			since = time.Since(l.Since).Round(time.Second).String()
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", l.Name, l.Side, l.State, since, l.Detail)
	}
	return t.Flush()
}

func (c *crmComponent) consoleAgents(_ context.Context, w io.Writer, args []string) error {
	filter := strings.ToLower(strings.Join(args, " "))
	agents := c.domain.Agents()
	slices.SortFunc(agents, func(a, b crm.AgentInfo) int {
		return cmp.Or(cmp.Compare(a.System, b.System), cmp.Compare(a.User, b.User))
	})
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SYSTEM\tUSER\tAGENT\tPHONE\tMODE\tSWITCH\tSAP\tCALLS")
	for _, a := range agents {
		if !strings.Contains(strings.ToLower(a.User+" "+a.AgentID+" "+a.Device+" "+a.Name), filter) {
			continue
		}
		sap := "-"
		if a.Subscribed {
			sap = "yes"
		}
		acd := a.ACDState
		if a.Stale {
			acd += " (stale)"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%d\n", a.System, a.User, a.AgentID, a.Device, a.Workmode, acd, sap, len(a.Calls))
	}
	return t.Flush()
}

// consoleCalls shows no numbers of customers: a console is read over shoulders.
func (c *crmComponent) consoleCalls(_ context.Context, w io.Writer, _ []string) error {
	calls := c.domain.Calls()
	slices.SortFunc(calls, func(a, b crm.CallInfo) int { return a.Since.Compare(b.Since) })
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ITEM\tCALL\tPERIPHERAL\tUSER\tSTATUS\tDIRECTION\tQUEUE\tSINCE")
	for _, x := range calls {
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s\n", x.ID, x.CallID, x.Peripheral, x.User, x.Status, x.Direction, x.Queue, time.Since(x.Since).Round(time.Second))
	}
	return t.Flush()
}

// serveConsole opens the console when one is configured.
func (c *crmComponent) serveConsole(ctx context.Context) error {
	if c.cfg.Console == "" {
		return nil
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", c.cfg.Console)
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	c.console = console.New("connector "+c.cfg.Instance, c.consoleCommands(), c.log)
	Go(c.host, &c.wg, func() {
		if err := c.console.Serve(ln); !errors.Is(err, console.ErrClosed) {
			c.host.Fail(err)
		}
	})
	return nil
}
