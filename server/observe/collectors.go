package observe

import (
	"github.com/prometheus/client_golang/prometheus"

	"packhouse/server/acme"
	"packhouse/server/notification"
)

// webhookCollector exports delivery metrics.
type webhookCollector struct{ notifier *notification.Notifier }

var (
	webhookPending = prometheus.NewDesc("packhouse_webhook_pending",
		"Events that wait for delivery to a webhook.", []string{"endpoint"}, nil)
	webhookEvents = prometheus.NewDesc("packhouse_webhook_events_total",
		"Events for a webhook, by outcome: delivered or dropped.", []string{"endpoint", "outcome"}, nil)
	webhookFailed = prometheus.NewDesc("packhouse_webhook_failures_total",
		"Failed attempts to deliver to a webhook.", []string{"endpoint"}, nil)
)

// Describe implements prometheus.Collector.
func (webhookCollector) Describe(to chan<- *prometheus.Desc) {
	to <- webhookPending
	to <- webhookEvents
	to <- webhookFailed
}

// Collect implements prometheus.Collector.
func (w webhookCollector) Collect(to chan<- prometheus.Metric) {
	for _, e := range w.notifier.Stats() {
		send := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
			to <- prometheus.MustNewConstMetric(d, kind, value, append([]string{e.Endpoint}, labels...)...)
		}
		send(webhookPending, prometheus.GaugeValue, float64(e.Pending))
		send(webhookEvents, prometheus.CounterValue, float64(e.Delivered), "delivered")
		send(webhookEvents, prometheus.CounterValue, float64(e.Dropped), "dropped")
		send(webhookFailed, prometheus.CounterValue, float64(e.Failed))
	}
}

// orderCollector exports the certificate state of each name as metrics.
type orderCollector struct {
	states                   func() []acme.State
	ends, ok, next, outcomes *prometheus.Desc
}

func newOrderCollector(states func() []acme.State) *orderCollector {
	host := []string{"host"}
	return &orderCollector{
		states: states,
		ends: prometheus.NewDesc("packhouse_acme_certificate_not_after_timestamp_seconds",
			"Time when the certificate of a name expires; 0 while a temporary one is served.", host, nil),
		ok: prometheus.NewDesc("packhouse_acme_last_order_successful",
			"0 if the last order for a name failed, else 1.", host, nil),
		next: prometheus.NewDesc("packhouse_acme_next_try_timestamp_seconds",
			"Time when a failed order for a name is retried; 0 if none failed.", host, nil),
		outcomes: prometheus.NewDesc("packhouse_acme_orders_total",
			"Orders since the start, by outcome.", []string{"host", "outcome"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *orderCollector) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.ends, c.ok, c.next, c.outcomes} {
		descriptions <- d
	}
}

// Collect implements prometheus.Collector.
func (c *orderCollector) Collect(values chan<- prometheus.Metric) {
	for _, s := range c.states() {
		ends, next := 0.0, 0.0
		if s.Leaf != nil {
			ends = float64(s.Leaf.NotAfter.Unix())
		}
		if s.Failure != "" {
			next = float64(s.NextTry.Unix())
		}
		values <- prometheus.MustNewConstMetric(c.ends, prometheus.GaugeValue, ends, s.Host)
		values <- prometheus.MustNewConstMetric(c.ok, prometheus.GaugeValue, truth(s.Failure == ""), s.Host)
		values <- prometheus.MustNewConstMetric(c.next, prometheus.GaugeValue, next, s.Host)
		values <- prometheus.MustNewConstMetric(c.outcomes, prometheus.CounterValue, float64(s.Obtained), s.Host, "done")
		values <- prometheus.MustNewConstMetric(c.outcomes, prometheus.CounterValue, float64(s.Failed), s.Host, "failed")
	}
}
