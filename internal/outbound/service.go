package outbound

import (
	"context"
	"errors"
	"slices"

	"github.com/connects-go/connects/outboundcsv/sapphone"
	"github.com/connects-go/connects/outboundcsv/spool"
)

// Service does what SAP asks for; it implements sapphone.Service.
type Service struct {
	// Queue returns the queue, or why there is none now.
	Queue func() (*spool.Queue, error)
	// Known are campaigns that there are without lists.
	Known []string
	// Accepted is called when a list was stored that had not been known.
	Accepted func()
}

func (s *Service) queue() (*spool.Queue, error) {
	q, err := s.Queue()
	if err != nil {
		return nil, errors.Join(sapphone.ErrBusy, err)
	}
	return q, nil
}

// Upload implements sapphone.Service. It returns when the list is on disk.
func (s *Service) Upload(ctx context.Context, d sapphone.Delivery) (sapphone.Accepted, error) {
	q, err := s.queue()
	if err != nil {
		return sapphone.Accepted{}, err
	}
	r, err := q.Accept(ctx, spool.Source{System: d.System, Client: d.Client, Campaign: d.Campaign, Key: d.Key}, d.Rows)
	err = again(err)
	if errors.Is(err, spool.ErrTooMany) {
		err = errors.Join(sapphone.ErrTooLarge, err)
	}
	if err != nil {
		return sapphone.Accepted{}, err
	}
	if s.Accepted != nil && !r.Repeated {
		s.Accepted()
	}
	a := sapphone.Accepted{ID: r.ID, Rows: r.Rows, Rejected: r.Rejected, Repeated: r.Repeated}
	for _, x := range r.Rejects {
		a.Rejects = append(a.Rejects, sapphone.Rejected{ID: x.ID, Codes: x.Codes})
	}
	return a, nil
}

// Delete implements sapphone.Service.
func (s *Service) Delete(ctx context.Context, _, _, campaign string, ids []string) (sapphone.Deletion, error) {
	q, err := s.queue()
	if err != nil {
		return sapphone.Deletion{}, err
	}
	var d sapphone.Deletion
	if ids == nil {
		d.Removed, d.Late, err = q.DeleteAll(ctx, campaign)
		return d, again(err)
	}
	out, err := q.Delete(ctx, campaign, ids)
	for _, o := range out {
		switch o {
		case spool.Removed:
			d.Removed++
		case spool.TooLate:
			d.Late++
		default:
			d.Unknown++
		}
	}
	return d, again(err)
}

// again has SAP ask once more where that helps.
func again(err error) error {
	if errors.Is(err, spool.ErrBusy) || errors.Is(err, spool.ErrSilent) || errors.Is(err, spool.ErrSpool) || errors.Is(err, spool.ErrClosed) {
		return errors.Join(sapphone.ErrBusy, err)
	}
	return err
}

// Campaigns implements sapphone.Service: those that are configured or have lists.
func (s *Service) Campaigns(context.Context) ([]string, error) {
	q, err := s.queue()
	if err != nil {
		return nil, err
	}
	out := slices.Clone(s.Known)
	for _, l := range q.Lists() {
		if c := l.Source.Campaign; c != "" {
			out = append(out, c)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Assigned implements sapphone.Service: the dialer does not tell who works for which
// campaign, so it is all of them.
func (s *Service) Assigned(ctx context.Context, _ string) ([]string, error) { return s.Campaigns(ctx) }

// Statistics implements sapphone.Service.
func (s *Service) Statistics(_ context.Context, campaign string) (sapphone.Numbers, error) {
	q, err := s.queue()
	if err != nil {
		return sapphone.Numbers{}, err
	}
	var n sapphone.Numbers
	for _, l := range q.Lists() {
		if l.Source.Campaign != campaign || l.State == spool.Dropped || l.Rewrite {
			continue
		}
		n.Lists++
		n.Rows += l.Received
		n.Written += l.Written
		n.Rejected += l.Rejected
		if !l.State.Final() {
			n.Waiting++
		}
	}
	return n, nil
}

// Ping implements sapphone.Service.
func (s *Service) Ping(context.Context) error {
	_, err := s.queue()
	return err
}
