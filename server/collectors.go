package server

import (
	"packhouse/server/acme"
	"packhouse/server/notification"

	"github.com/prometheus/client_golang/prometheus"
)

// webhookCollector exports delivery metrics.
type webhookCollector struct{ notifier *notification.Notifier }

var (
	webhookPending = prometheus.NewDesc("packhouse_webhook_pending", "Events that wait for a webhook.", []string{"endpoint"}, nil)
	webhookEvents  = prometheus.NewDesc("packhouse_webhook_events_total", "Events for a webhook, by outcome: delivered or dropped.", []string{"endpoint", "outcome"}, nil)
	webhookFailed  = prometheus.NewDesc("packhouse_webhook_failures_total", "Attempts at a webhook that failed.", []string{"endpoint"}, nil)
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
		to <- prometheus.MustNewConstMetric(webhookPending, prometheus.GaugeValue, float64(e.Pending), e.Endpoint)
		to <- prometheus.MustNewConstMetric(webhookEvents, prometheus.CounterValue, float64(e.Delivered), e.Endpoint, "delivered")
		to <- prometheus.MustNewConstMetric(webhookEvents, prometheus.CounterValue, float64(e.Dropped), e.Endpoint, "dropped")
		to <- prometheus.MustNewConstMetric(webhookFailed, prometheus.CounterValue, float64(e.Failed), e.Endpoint)
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
		states:   states,
		ends:     prometheus.NewDesc("packhouse_acme_certificate_not_after_timestamp_seconds", "End of the certificate of a name; 0 while a stand-in is served.", host, nil),
		ok:       prometheus.NewDesc("packhouse_acme_last_order_successful", "1 unless the last order for a name failed.", host, nil),
		next:     prometheus.NewDesc("packhouse_acme_next_try_timestamp_seconds", "When a name whose order failed is tried again; 0 where none failed.", host, nil),
		outcomes: prometheus.NewDesc("packhouse_acme_orders_total", "Orders since the start, by outcome.", []string{"host", "outcome"}, nil),
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
