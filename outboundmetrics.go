package connects

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/connects-go/connects/outboundcsv/spool"
)

func outboundMetrics() []metric[spool.Status] {
	n := func(f func(*spool.Counters) int64) func(*spool.Status) float64 {
		return func(s *spool.Status) float64 { return float64(f(&s.Counters)) }
	}
	return []metric[spool.Status]{
		gauge("outbound_lists_waiting", "Lists that are accepted and not finished.", func(s *spool.Status) float64 { return float64(s.Waiting) }),
		gauge("outbound_rows_waiting", "Rows of these lists.", func(s *spool.Status) float64 { return float64(s.Rows) }),
		gauge("outbound_blocked", "1 while lists wait for a fault.", func(s *spool.Status) float64 { return one(s.Problem != nil) }),
		gauge("outbound_refusing", "1 while lists are refused because the disk of the spool cannot be written.", func(s *spool.Status) float64 { return one(s.Refusing != nil) }),
		counter("outbound_lists_accepted_total", "Lists accepted from SAP.", n(func(c *spool.Counters) int64 { return c.Accepted })),
		counter("outbound_lists_repeated_total", "Lists that SAP sent again.", n(func(c *spool.Counters) int64 { return c.Repeated })),
		counter("outbound_lists_refused_total", "Lists that could not be accepted.", n(func(c *spool.Counters) int64 { return c.Refused })),
		counter("outbound_lists_taken_total", "Lists that the importer or the API took.", n(func(c *spool.Counters) int64 { return c.Taken })),
		counter("outbound_lists_failed_total", "Lists of which every row was rejected.", n(func(c *spool.Counters) int64 { return c.Failed })),
		counter("outbound_rows_received_total", "Rows of accepted lists.", n(func(c *spool.Counters) int64 { return c.Rows })),
		// A withdrawn file takes its rows back, so these two are no counters.
		gauge("outbound_rows_written", "Rows that were placed since the start.", n(func(c *spool.Counters) int64 { return c.Written })),
		gauge("outbound_rows_rejected", "Rows that were rejected since the start.", n(func(c *spool.Counters) int64 { return c.Rejected })),
		counter("outbound_rows_repeated_total", "Rows left out because another list had brought them.", n(func(c *spool.Counters) int64 { return c.LeftOut })),
		counter("outbound_rows_deleted_total", "Rows that SAP took back in time.", n(func(c *spool.Counters) int64 { return c.Deleted })),
	}
}

// Describe implements prometheus.Collector.
func (o *outboundComponent) Describe(ch chan<- *prometheus.Desc) { describe(ch, o.metrics) }

// Collect implements prometheus.Collector.
func (o *outboundComponent) Collect(ch chan<- prometheus.Metric) {
	q, err := o.group.Own()
	if err != nil {
		return // another instance runs our spool, and shows it
	}
	s := q.Status()
	collect(ch, o.metrics, &s)
}
