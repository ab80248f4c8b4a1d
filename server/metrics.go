package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"packhouse/server/acme"
	"packhouse/server/auth"
	"packhouse/server/connection"
	"packhouse/server/notification"
)

// metrics holds the server's metrics, in a registry of its own so that two servers in one process
// do not conflict.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	sent     prometheus.Counter
	received prometheus.Counter
	running  prometheus.Gauge
	upkeep   *prometheus.CounterVec
	freed    prometheus.Counter
	damaged  prometheus.Counter
}

// newMetrics returns the metrics that the server counts itself.
func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "packhouse_requests_total", Help: "Requests answered, by action and status.",
		}, []string{"action", "status"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "packhouse_request_duration_seconds", Help: "Time from the first byte of a request to the last of its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60},
		}, []string{"action"}),
		sent:     prometheus.NewCounter(prometheus.CounterOpts{Name: "packhouse_sent_bytes_total", Help: "Bytes of answers."}),
		received: prometheus.NewCounter(prometheus.CounterOpts{Name: "packhouse_received_bytes_total", Help: "Bytes of request bodies."}),
		running:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "packhouse_requests_running", Help: "Requests being answered."}),
		upkeep: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "packhouse_upkeep_total", Help: "Runs of collection, purge and scrub, by outcome.",
		}, []string{"what", "outcome"}),
		freed:   prometheus.NewCounter(prometheus.CounterOpts{Name: "packhouse_collected_bytes_total", Help: "Bytes that collection removed."}),
		damaged: prometheus.NewCounter(prometheus.CounterOpts{Name: "packhouse_damaged_total", Help: "Objects that scrub found damaged."}),
	}
	m.registry.MustRegister(m.requests, m.latency, m.sent, m.received, m.running, m.upkeep, m.freed, m.damaged,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// observeAuth exports the counters of package auth.
func (m *metrics) observeAuth(a *auth.Authenticator) {
	for _, c := range []struct {
		name, help string
		value      func(auth.Stats) uint64
	}{
		{"packhouse_auth_remembered_total", "Requests let in by remembered credentials.", func(s auth.Stats) uint64 { return s.Remembered }},
		{"packhouse_auth_rejected_total", "Requests refused by remembered credentials.", func(s auth.Stats) uint64 { return s.Rejected }},
		{"packhouse_auth_hashes_total", "Comparisons with a bcrypt hash.", func(s auth.Stats) uint64 { return s.Hashes }},
		{"packhouse_auth_failed_total", "Wrong credentials, each counted once.", func(s auth.Stats) uint64 { return s.Failed }},
		{"packhouse_auth_locked_total", "Requests that had to wait after wrong passwords.", func(s auth.Stats) uint64 { return s.Locked }},
		{"packhouse_auth_turned_away_total", "Requests that found too many others signing in.", func(s auth.Stats) uint64 { return s.TurnedAway }},
	} {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: c.name, Help: c.help},
			func() float64 { return float64(c.value(a.Stats())) }))
	}
}

// gauge exports a value that is cheap to determine at any time.
func (m *metrics) gauge(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// observeWebhooks exports the deliveries of webhooks.
func (m *metrics) observeWebhooks(n *notification.Notifier) {
	m.registry.MustRegister(webhookCollector{n})
}

// observeOrders exports the state of certificates ordered by ACME.
func (m *metrics) observeOrders(states func() []acme.State) {
	m.registry.MustRegister(newOrderCollector(states))
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (m *metrics) begin() { m.running.Inc() }

func (m *metrics) observe(rec *record, w *connection.Response) {
	m.running.Dec()
	action := string(rec.action)
	if action == "" {
		action = "none"
	}
	m.requests.WithLabelValues(action, strconv.Itoa(w.Status())).Inc()
	m.latency.WithLabelValues(action).Observe(time.Since(rec.began).Seconds())
	m.sent.Add(float64(w.Sent()))
	m.received.Add(float64(w.Received()))
}

// handler serves the metrics.
func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}
