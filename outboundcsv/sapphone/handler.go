package sapphone

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strconv"
	"strings"

	"github.com/connects-go/connects/outboundcsv"
)

// Delivery is a list that SAP sends.
type Delivery struct {
	System, Client, Campaign string
	// Key is the same when SAP sends the list again; empty = not told.
	Key string
	// Rows can be read once; an error ends them, and the list is refused.
	Rows iter.Seq2[outboundcsv.PlannedCall, error]
}

// Accepted is the answer to a [Delivery].
type Accepted struct {
	ID       string     // of the list
	Rows     int        // that came
	Rejected int        // of them
	Repeated bool       // the list had come before, and nothing was done
	Rejects  []Rejected // the first ones
}

// Rejected is a row that will not be dialled.
type Rejected struct {
	ID    string             // of the planned call
	Codes []outboundcsv.Code // the reasons
}

// Deletion is how many planned calls that SAP takes back were removed, were too late
// because their file had been taken, and are not known.
type Deletion struct{ Removed, Late, Unknown int }

// Numbers of a campaign: lists accepted; rows received, written and rejected; rows that wait.
type Numbers struct{ Lists, Rows, Written, Rejected, Waiting int }

// Service does what the functions mean. Its methods are called from several
// goroutines. ErrBusy asks SAP to try again.
type Service interface {
	// Upload takes a list; once it returned nil, the list is on the disk.
	Upload(ctx context.Context, d Delivery) (Accepted, error)
	// Delete takes calls of a campaign back; ids nil means all.
	Delete(ctx context.Context, system, client, campaign string, ids []string) (Deletion, error)
	// Campaigns are the names of all campaigns that are known.
	Campaigns(ctx context.Context) ([]string, error)
	// Assigned are the campaigns of an agent.
	Assigned(ctx context.Context, agent string) ([]string, error)
	// Statistics are the numbers of a campaign; all zero when it is not known.
	Statistics(ctx context.Context, campaign string) (Numbers, error)
	// Ping returns nil while lists can be taken.
	Ping(ctx context.Context) error
}

// HandlerOptions configure [NewHandler].
type HandlerOptions struct {
	Definitions *Definitions // nil = none: every function is unknown
	Service     Service
	// Recorder, when set, gets every call. With RecordOnly nothing else happens, and
	// every call is answered with the exception NOT_IMPLEMENTED.
	Recorder   *Recorder
	RecordOnly bool
	Logger     *slog.Logger // nil = silent
}

// NewHandler returns a handler that turns calls into operations of a service, as
// the definitions say. A call that they do not explain fails in SAP with a clear
// text; it never looks like a success.
func NewHandler(o *HandlerOptions) (Handler, error) {
	h := &handler{*o}
	if h.Definitions == nil {
		h.Definitions = &Definitions{}
	}
	if h.Logger == nil {
		h.Logger = slog.New(slog.DiscardHandler)
	}
	if h.RecordOnly && h.Recorder == nil || !h.RecordOnly && h.Service == nil {
		return nil, errors.New("sapphone: a handler needs a Service, or with RecordOnly a Recorder")
	}
	return h.handle, nil
}

type handler struct{ HandlerOptions }

func (h *handler) handle(ctx context.Context, c *Call) (*Result, error) {
	if h.Recorder != nil {
		if err := h.Recorder.record(c, h.Definitions.Functions[c.Func]); err != nil {
			h.Logger.Warn("call not recorded", slog.String("function", c.Func), slog.String("err", err.Error()))
		}
	}
	if h.RecordOnly {
		return nil, &ABAPException{NotImplemented, "the connector only records calls"}
	}
	f, m := h.Definitions.Functions[c.Func], h.Definitions.Mapping[c.Func]
	switch {
	case f == nil:
		return nil, fmt.Errorf("%w: %s is not in the definition file; recorder mode shows how it is called", ErrUnknownFunction, c.Func)
	case m == nil:
		return nil, fmt.Errorf("%w: %s", ErrNoMapping, c.Func)
	}
	x := &run{h: h, c: c, f: f, m: m, out: &Result{Out: map[string]string{}, Tables: map[string][]map[string]string{}}}
	if err := x.checkNames(); err != nil {
		return nil, err
	}
	outcome, err := x.operate(ctx)
	if errors.Is(err, ErrBusy) {
		outcome = "busy"
	} else if err != nil {
		return nil, err
	}
	if e := m.Exception[outcome]; e != "" {
		return nil, &ABAPException{e, text(outcome, err)}
	}
	if err != nil {
		return nil, err
	}
	values, ok := m.Result[outcome]
	if !ok && outcome != "ok" {
		if outcome == "late" || outcome == "unknown" { // no code for it: it is not ok either way, but nothing to repeat
			values = m.Result["ok"]
		} else {
			return nil, fmt.Errorf("sapphone: %s: outcome %s has no code in the definition file", c.Func, outcome)
		}
	}
	for k, v := range values {
		x.out.Out[k] = v
	}
	return x.out, nil
}

func text(outcome string, err error) string {
	if err != nil {
		return err.Error()
	}
	return outcome
}

// run is one call under way.
type run struct {
	h   *handler
	c   *Call
	f   *Func
	m   *Mapping
	out *Result
}

// checkNames refuses parameters that the definition does not know: its meaning
// may have changed with them.
func (x *run) checkNames() error {
	for name := range x.c.In {
		if x.f.in(name) == nil && x.f.out(name) == nil {
			return &CallError{x.c.Func, name, errors.New("unknown parameter")}
		}
	}
	for name := range x.c.Tables {
		if find(x.f.Tables, name) == nil {
			return &CallError{x.c.Func, name, errors.New("unknown table")}
		}
	}
	return nil
}

// param reads an import parameter as text.
func (x *run) param(name string) (string, error) {
	v, ok := x.c.In[name]
	if name == "" || !ok {
		return "", nil
	}
	if v.Raw == nil {
		return strings.TrimRight(v.Text, " "), nil
	}
	s, err := x.f.in(name).decode(v.Raw, x.c.Big)
	if err != nil {
		return "", &CallError{x.c.Func, name, err}
	}
	return s, nil
}

// rows yields the fields of the rows of a table.
func (x *run) rows(name string) iter.Seq2[map[string]string, error] {
	return func(yield func(map[string]string, error) bool) {
		t, ok := x.c.Tables[name]
		if !ok {
			return
		}
		typ := x.h.Definitions.Types[find(x.f.Tables, name).Type]
		n := 0
		for r, err := range t.Rows {
			n++
			fields := r.Fields
			if err == nil && r.Raw != nil {
				if fields, err = typ.decodeRow(r.Raw, x.c.Big); err != nil {
					err = &CallError{x.c.Func, fmt.Sprintf("%s row %d", name, n), err}
				}
			} else if err == nil {
				for f := range fields {
					if typ.field(f) == nil {
						err = &CallError{x.c.Func, fmt.Sprintf("%s row %d", name, n), errors.New("unknown field " + strconv.Quote(f))}
						break
					}
				}
			}
			if !yield(fields, err) || err != nil {
				return
			}
		}
	}
}

// planned turns rows into planned calls.
func (x *run) planned() iter.Seq2[outboundcsv.PlannedCall, error] {
	r := &x.m.Row
	return func(yield func(outboundcsv.PlannedCall, error) bool) {
		for f, err := range x.rows(x.m.Rows) {
			if err != nil {
				yield(outboundcsv.PlannedCall{}, err)
				return
			}
			c := outboundcsv.PlannedCall{ID: f[r.ID], FirstName: f[r.FirstName], LastName: f[r.LastName], TimeZone: f[r.TimeZone]}
			for i, name := range r.Phones {
				p := outboundcsv.Phone{Number: f[name]}
				if i < len(r.Exts) {
					p.Ext = f[r.Exts[i]]
				}
				if p.Number != "" {
					c.Phones = append(c.Phones, p)
				}
			}
			for column, name := range r.Custom {
				if c.Custom == nil {
					c.Custom = map[string]string{}
				}
				c.Custom[column] = f[name]
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

// isSet reads a flag of ABAP: X is set; blanks, and the zeros of a number, are not. What
// deletes a campaign is not guessed from anything else.
func isSet(flag string) (bool, error) {
	switch {
	case strings.Trim(flag, "0. ") == "":
		return false, nil
	case strings.EqualFold(strings.TrimSpace(flag), "X"):
		return true, nil
	}
	return false, errors.New("want X or a blank")
}

// operate does what the function means and returns the outcome.
func (x *run) operate(ctx context.Context) (string, error) {
	var v [6]string
	for i, name := range []string{x.m.System, x.m.Client, x.m.Campaign, x.m.Key, x.m.Agent, x.m.All} {
		var err error
		if v[i], err = x.param(name); err != nil {
			return "", err
		}
	}
	system, client, campaign, key, agent, all := v[0], v[1], v[2], v[3], v[4], v[5]
	if system == "" {
		system = x.c.Caller.System
	}
	if client == "" {
		client = x.c.Caller.Client
	}
	if key == "" {
		key = x.c.Key
	}
	switch s := x.h.Service; x.m.Operation {
	case Upload:
		a, err := s.Upload(ctx, Delivery{System: system, Client: client, Campaign: campaign, Key: key, Rows: x.planned()})
		if err != nil {
			return "", err
		}
		return x.accepted(a), nil
	case Delete:
		var ids []string
		for f, err := range x.rows(x.m.Rows) {
			if err != nil {
				return "", err
			}
			ids = append(ids, f[x.m.Row.ID])
		}
		everything, err := isSet(all)
		switch {
		case err != nil:
			return "", &CallError{x.c.Func, x.m.All, err}
		case everything:
			ids = nil
		case len(ids) == 0:
			return "unknown", nil // nothing was named: never taken for everything
		}
		d, err := s.Delete(ctx, system, client, campaign, ids)
		switch {
		case err != nil:
			return "", err
		case d.Late > 0:
			return "late", nil
		case d.Removed == 0:
			return "unknown", nil
		}
		return "ok", nil
	case Campaigns, Assigned:
		get := s.Campaigns
		if x.m.Operation == Assigned {
			get = func(ctx context.Context) ([]string, error) { return s.Assigned(ctx, agent) }
		}
		all, err := get(ctx)
		if err != nil {
			return "", err
		}
		if x.m.List != nil {
			for _, id := range all {
				x.out.Tables[x.m.List.Table] = append(x.out.Tables[x.m.List.Table], map[string]string{x.m.List.ID: id})
			}
		}
		return "ok", nil
	case Statistics:
		n, err := s.Statistics(ctx, campaign)
		if err != nil {
			return "", err
		}
		for name, value := range map[string]int{"lists": n.Lists, "rows": n.Rows, "written": n.Written, "rejected": n.Rejected, "waiting": n.Waiting} {
			if p := x.m.Numbers[name]; p != "" {
				x.out.Out[p] = strconv.Itoa(value)
			}
		}
		return "ok", nil
	}
	return "ok", x.h.Service.Ping(ctx)
}

func (x *run) accepted(a Accepted) string {
	if r := x.m.Rejects; r != nil {
		for _, one := range a.Rejects {
			row := map[string]string{r.ID: one.ID}
			if r.Code != "" && len(one.Codes) > 0 {
				typ := x.h.Definitions.Types[find(x.f.Tables, r.Table).Type]
				row[r.Code] = clip(string(one.Codes[0]), typ.field(r.Code).Length)
			}
			x.out.Tables[r.Table] = append(x.out.Tables[r.Table], row)
		}
	}
	if a.Rows > 0 && a.Rejected == a.Rows {
		return "failed" // E_ALL_REJECTED
	}
	return "ok"
}

// clip cuts a code to the field that SAP has for it: the list is accepted, its
// answer must not fail any more.
func clip(s string, n int) string { return s[:min(len(s), max(n, 0))] }
