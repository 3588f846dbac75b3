package connects

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/internal/crm"
)

// metric is one figure of a snapshot.
type metric[S any] struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*S) float64
}

func counter[S any](name, help string, value func(*S) float64, labels ...string) metric[S] {
	return metric[S]{prometheus.NewDesc("connects_"+name, help, labels, nil), prometheus.CounterValue, value}
}

func gauge[S any](name, help string, value func(*S) float64, labels ...string) metric[S] {
	return metric[S]{prometheus.NewDesc("connects_"+name, help, labels, nil), prometheus.GaugeValue, value}
}

func collect[S any](ch chan<- prometheus.Metric, all []metric[S], s *S, labels ...string) {
	for _, m := range all {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(s), labels...)
	}
}

func describe[S any](ch chan<- *prometheus.Desc, all []metric[S]) {
	for _, m := range all {
		ch <- m.desc
	}
}

// crmMetrics has what a connector shows. It is made once per connector.
type crmMetrics struct {
	server   []metric[ici.ServerStats]
	notifier []metric[ici.NotifierStats]
	session  []metric[cti.Stats]
	link     []metric[cti.SessionState]
	domain   []metric[crm.Stats]
	items    *prometheus.Desc
	modes    *prometheus.Desc
	iciTime  *prometheus.Desc
	ctiTime  *prometheus.Desc
}

func newCRMMetrics() *crmMetrics {
	const link = "link"
	return &crmMetrics{
		iciTime: prometheus.NewDesc("connects_ici_call_duration_seconds",
			"Time from the first byte of a call of SAP to the last byte of its answer.", nil, nil),
		ctiTime: prometheus.NewDesc("connects_cti_request_duration_seconds",
			"Time from a request to the switch to its answer.", []string{link}, nil),
		items: prometheus.NewDesc("connects_crm_items", "Calls at agents' desktops by their state.", []string{"status"}, nil),
		modes: prometheus.NewDesc("connects_crm_agents_by_mode", "Agents by the work mode that SAP shows.", []string{"mode"}, nil),
		domain: []metric[crm.Stats]{
			gauge("crm_agents", "Agents known: with a SAP session, or logged on.", func(s *crm.Stats) float64 { return float64(s.Agents) }),
			gauge("crm_agents_logged_on", "Agents logged on at the switch.", func(s *crm.Stats) float64 { return float64(s.LoggedOn) }),
			gauge("crm_agents_subscribed", "Agents with a SAP session.", func(s *crm.Stats) float64 { return float64(s.Subscribed) }),
			gauge("crm_agents_stale", "Agents whose state is the last known, because the switch is away.", func(s *crm.Stats) float64 { return float64(s.Stale) }),
			gauge("crm_calls", "Calls of the switch, with or without our agents.", func(s *crm.Stats) float64 { return float64(s.Calls) }),
			counter("crm_switch_events_total", "Events of the switch.", func(s *crm.Stats) float64 { return float64(s.Events) }),
			counter("crm_switch_requests_total", "Requests to the switch.", func(s *crm.Stats) float64 { return float64(s.Requests) }),
			counter("crm_switch_request_errors_total", "Requests that failed.", func(s *crm.Stats) float64 { return float64(s.RequestErrors) }),
			counter("crm_notified_total", "Events handed to the notifier.", func(s *crm.Stats) float64 { return float64(s.Notified) }),
			counter("crm_notify_errors_total", "Events that the notifier did not take.", func(s *crm.Stats) float64 { return float64(s.NotifyErrors) }),
			counter("crm_store_writes_total", "Writes of agents to the store.", func(s *crm.Stats) float64 { return float64(s.Saves) }),
			counter("crm_store_errors_total", "Writes that failed.", func(s *crm.Stats) float64 { return float64(s.SaveErrors) }),
			counter("crm_store_conflicts_total", "Writes that another connector was ahead of.", func(s *crm.Stats) float64 { return float64(s.SaveConflicts) }),
			gauge("crm_shared_calls", "Calls whose attached data are shared with other connectors.", func(s *crm.Stats) float64 { return float64(s.Shared) }),
			counter("crm_shared_writes_total", "Attached data written for other connectors.", func(s *crm.Stats) float64 { return float64(s.SharedWrites) }),
			counter("crm_shared_taken_total", "Attached data taken from other connectors.", func(s *crm.Stats) float64 { return float64(s.SharedTaken) }),
			counter("crm_adopted_total", "Agents taken over from other connectors.", func(s *crm.Stats) float64 { return float64(s.Adopted) }),
			counter("crm_lost_total", "Agents taken over by other connectors.", func(s *crm.Stats) float64 { return float64(s.Lost) }),
			counter("crm_calls_refused_total", "Calls above the limit.", func(s *crm.Stats) float64 { return float64(s.CallsRefused) }),
			counter("crm_data_refused_total", "Call data that the switch did not take.", func(s *crm.Stats) float64 { return float64(s.DataRefused) }),
			counter("crm_defects_total", "Panics that were caught.", func(s *crm.Stats) float64 { return float64(s.Defects) }),
		},
		server: []metric[ici.ServerStats]{
			counter("ici_calls_total", "Calls of SAP.", func(s *ici.ServerStats) float64 { return float64(s.Calls) }),
			gauge("ici_calls_active", "Calls of SAP being answered.", func(s *ici.ServerStats) float64 { return float64(s.Active) }),
			counter("ici_faults_total", "Calls answered with a fault.", func(s *ici.ServerStats) float64 { return float64(s.Faults) }),
			counter("ici_unknown_operations_total", "Calls of operations that the profile does not know.", func(s *ici.ServerStats) float64 { return float64(s.Unknown) }),
			counter("ici_unreadable_total", "Requests that are no SOAP call.", func(s *ici.ServerStats) float64 { return float64(s.Unreadable) }),
			counter("ici_refused_total", "Requests refused for path, method, origin, login or load.", func(s *ici.ServerStats) float64 { return float64(s.Refused) }),
			counter("ici_panics_total", "Calls whose handler panicked.", func(s *ici.ServerStats) float64 { return float64(s.Panics) }),
		},
		notifier: []metric[ici.NotifierStats]{
			gauge("event_subscriptions", "Sessions of SAP that get events.", func(s *ici.NotifierStats) float64 { return float64(s.Subscriptions) }),
			gauge("event_waiting", "Events that wait or are on the wire.", func(s *ici.NotifierStats) float64 { return float64(s.Waiting) }),
			gauge("event_waiting_bytes", "Bytes of these events.", func(s *ici.NotifierStats) float64 { return float64(s.WaitingBytes) }),
			gauge("event_connections", "Open connections to SAP.", func(s *ici.NotifierStats) float64 { return float64(s.OpenConns) }),
			counter("event_delivered_total", "Events that SAP took.", func(s *ici.NotifierStats) float64 { return float64(s.Delivered) }),
			counter("event_collapsed_total", "Events replaced by a newer state before they were sent.", func(s *ici.NotifierStats) float64 { return float64(s.Collapsed) }),
			counter("event_retried_total", "Attempts that failed and were repeated.", func(s *ici.NotifierStats) float64 { return float64(s.Retried) }),
			counter("event_refused_total", "Events that SAP refused.", func(s *ici.NotifierStats) float64 { return float64(s.Refused) }),
			counter("event_dropped_total", "Events dropped because their subscription ended.", func(s *ici.NotifierStats) float64 { return float64(s.Dropped) }),
			counter("event_gone_total", "Subscriptions that SAP ended or that could not be reached.", func(s *ici.NotifierStats) float64 { return float64(s.Gone) }),
		},
		session: []metric[cti.Stats]{
			counter("cti_messages_in_total", "Messages from the switch.", func(s *cti.Stats) float64 { return float64(s.MessagesIn) }, link),
			counter("cti_messages_out_total", "Messages to the switch.", func(s *cti.Stats) float64 { return float64(s.MessagesOut) }, link),
			counter("cti_bytes_in_total", "Bytes from the switch.", func(s *cti.Stats) float64 { return float64(s.BytesIn) }, link),
			counter("cti_bytes_out_total", "Bytes to the switch.", func(s *cti.Stats) float64 { return float64(s.BytesOut) }, link),
			counter("cti_request_errors_total", "Requests that the switch refused.", func(s *cti.Stats) float64 { return float64(s.RequestErrors) }, link),
			counter("cti_request_timeouts_total", "Requests without an answer in time.", func(s *cti.Stats) float64 { return float64(s.Timeouts) }, link),
			counter("cti_decode_errors_total", "Messages that could not be read.", func(s *cti.Stats) float64 { return float64(s.DecodeErrors) }, link),
			counter("cti_unknown_messages_total", "Messages of a type that the table does not have.", func(s *cti.Stats) float64 { return float64(s.UnknownTypes) }, link),
			counter("cti_heartbeats_lost_total", "Heartbeats that were not confirmed in time.", func(s *cti.Stats) float64 { return float64(s.HeartbeatsLost) }, link),
			gauge("cti_queue_length", "Events that wait to be handled.", func(s *cti.Stats) float64 { return float64(s.QueueLen) }, link),
			counter("cti_connects_total", "Sessions opened.", func(s *cti.Stats) float64 { return float64(s.Connects) }, link),
			counter("cti_losses_total", "Sessions lost.", func(s *cti.Stats) float64 { return float64(s.Losses) }, link),
		},
		link: []metric[cti.SessionState]{
			gauge("cti_up", "1 when the session is open and the state of the switch has been read.", func(s *cti.SessionState) float64 { return one(s.Phase == cti.PhaseUp) }, link),
			gauge("cti_side_b", "1 when the session is, or was last, on side B.", func(s *cti.SessionState) float64 { return one(s.Side == cti.SideB) }, link),
		},
	}
}

// Describe implements prometheus.Collector.
func (c *crmComponent) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.figures.iciTime
	ch <- c.figures.ctiTime
	describe(ch, c.figures.server)
	describe(ch, c.figures.notifier)
	describe(ch, c.figures.session)
	describe(ch, c.figures.link)
	describe(ch, c.figures.domain)
	ch <- c.figures.items
	ch <- c.figures.modes
}

// Collect implements prometheus.Collector.
func (c *crmComponent) Collect(ch chan<- prometheus.Metric) {
	m := c.figures
	srv, not := c.server.Stats(), c.notifier.Stats()
	collect(ch, m.server, &srv)
	collect(ch, m.notifier, &not)
	dom := c.domain.Stats()
	collect(ch, m.domain, &dom)
	for status, n := range dom.Items {
		ch <- prometheus.MustNewConstMetric(m.items, prometheus.GaugeValue, float64(n), status)
	}
	for mode, n := range dom.Modes {
		ch <- prometheus.MustNewConstMetric(m.modes, prometheus.GaugeValue, float64(n), strconv.Itoa(mode))
	}
	var n uint64
	for _, v := range srv.Latency {
		n += uint64(v)
	}
	ch <- prometheus.MustNewConstHistogram(m.iciTime, n, srv.LatencySum.Seconds(),
		buckets(ici.LatencyBuckets[:], func(i int) uint64 { return uint64(srv.Latency[i]) }))
	for i, s := range c.sessions {
		name := c.cfg.Links[i].Name
		st, state := s.Stats(), s.State()
		collect(ch, m.session, &st, name)
		collect(ch, m.link, &state, name)
		ch <- prometheus.MustNewConstHistogram(m.ctiTime, st.Latency.Count, st.Latency.Sum.Seconds(),
			buckets(cti.LatencyBounds(), func(i int) uint64 { return st.Latency.Buckets[i] }), name)
	}
}

// buckets makes the cumulative counts of a histogram; the last one, without an
// upper bound, is the total.
func buckets(bounds []time.Duration, count func(int) uint64) map[float64]uint64 {
	out, sum := make(map[float64]uint64, len(bounds)), uint64(0)
	for i, b := range bounds {
		sum += count(i)
		out[b.Seconds()] = sum
	}
	return out
}
