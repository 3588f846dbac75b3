package connects

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// MetricsHandler returns the node's metrics in the Prometheus text format. Every
// node has a registry of its own: its phase, states and conditions, the Go
// runtime and the process, and, with the label component=<name>, whatever
// components collect that implement prometheus.Collector.
func (n *Node) MetricsHandler() http.Handler {
	return promhttp.HandlerFor(n.registry, promhttp.HandlerOpts{Registry: n.registry, MaxRequestsInFlight: 8})
}

func newRegistry(n *Node) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&nodeCollector{
			node: n,
			ready: prometheus.NewDesc("connects_node_ready",
				"1 when this instance may get traffic, as the health page says.", nil, nil),
			changes: prometheus.NewDesc("connects_node_changes_total",
				"Changes of phase, state or condition since the node was made.", nil, nil),
			state: prometheus.NewDesc("connects_component_state",
				"1 for the state that the component is in, 0 for the others.", []string{"component", "state"}, nil),
			condition: prometheus.NewDesc("connects_component_condition",
				"1 for the condition that the component is in, 0 for the others.", []string{"component", "condition"}, nil),
			since: prometheus.NewDesc("connects_component_since_timestamp_seconds",
				"When phase, state or condition of the component changed last.", []string{"component"}, nil),
		})
	return r
}

// nodeCollector makes metrics from Health at each scrape.
type nodeCollector struct {
	node                                    *Node
	ready, changes, state, condition, since *prometheus.Desc
}

func (c *nodeCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.ready, c.changes, c.state, c.condition, c.since} {
		ch <- d
	}
}

func (c *nodeCollector) Collect(ch chan<- prometheus.Metric) {
	h := c.node.Health()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(c.ready, one(h.Ready()))
	ch <- prometheus.MustNewConstMetric(c.changes, prometheus.CounterValue, float64(h.Seq))
	for _, k := range h.Components {
		for s := StateStopped; s <= StateActive; s++ {
			gauge(c.state, one(k.State == s), k.Name, s.String())
		}
		for v := ConditionOK; v <= ConditionFailing; v++ {
			gauge(c.condition, one(k.Condition == v), k.Name, v.String())
		}
		gauge(c.since, float64(k.Since.UnixNano())/1e9, k.Name)
	}
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
