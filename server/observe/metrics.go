package observe

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

// Metrics holds the server's metrics, in a registry of its own so that two servers in one process
// do not conflict.
type Metrics struct {
	Registry *prometheus.Registry
	Upkeep   *prometheus.CounterVec // runs of maintenance, by what and outcome
	Freed    prometheus.Counter     // bytes that garbage collection removed
	Damaged  prometheus.Counter     // damaged objects that a scrub found

	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	sent     prometheus.Counter
	received prometheus.Counter
	running  prometheus.Gauge
}

// NewMetrics returns the metrics that the server counts itself.
func NewMetrics() *Metrics {
	m := &Metrics{Registry: prometheus.NewRegistry()}
	m.requests = m.counters("packhouse_requests_total", "Answered requests, by action and status.", "action", "status")
	m.latency = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "packhouse_request_duration_seconds",
		Help:    "Time from the first byte of a request to the last one of its response.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60},
	}, []string{"action"})
	m.sent = m.counter("packhouse_sent_bytes_total", "Bytes of response bodies.")
	m.received = m.counter("packhouse_received_bytes_total", "Bytes of request bodies.")
	m.running = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "packhouse_requests_running", Help: "Requests in progress.",
	})
	m.Upkeep = m.counters("packhouse_upkeep_total", "Runs of garbage collection, upload purging and scrub, by outcome.",
		"what", "outcome")
	m.Freed = m.counter("packhouse_collected_bytes_total", "Bytes that garbage collection removed.")
	m.Damaged = m.counter("packhouse_damaged_total", "Damaged objects that scrubs found.")
	m.Registry.MustRegister(m.latency, m.running,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *Metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	m.Registry.MustRegister(c)
	return c
}

func (m *Metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.Registry.MustRegister(c)
	return c
}

// ObserveAuth exports the counters of package auth.
func (m *Metrics) ObserveAuth(a *auth.Authenticator) {
	count := func(name, help string, value func(auth.Stats) uint64) {
		m.Registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help},
			func() float64 { return float64(value(a.Stats())) }))
	}
	count("packhouse_auth_remembered_total", "Requests accepted with remembered credentials.",
		func(s auth.Stats) uint64 { return s.Remembered })
	count("packhouse_auth_rejected_total", "Requests refused with remembered credentials.",
		func(s auth.Stats) uint64 { return s.Rejected })
	count("packhouse_auth_hashes_total", "Comparisons of a password with a bcrypt hash.",
		func(s auth.Stats) uint64 { return s.Hashes })
	count("packhouse_auth_failed_total", "Wrong credentials, each counted once.",
		func(s auth.Stats) uint64 { return s.Failed })
	count("packhouse_auth_locked_total", "Requests that had to wait after wrong passwords.",
		func(s auth.Stats) uint64 { return s.Locked })
	count("packhouse_auth_turned_away_total", "Requests refused because too many clients were signing in.",
		func(s auth.Stats) uint64 { return s.TurnedAway })
}

// Gauge exports a value that is cheap to determine at any time.
func (m *Metrics) Gauge(name, help string, value func() float64) {
	m.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// ObserveWebhooks exports the deliveries of webhooks.
func (m *Metrics) ObserveWebhooks(n *notification.Notifier) {
	m.Registry.MustRegister(webhookCollector{n})
}

// ObserveOrders exports the state of certificates ordered by ACME.
func (m *Metrics) ObserveOrders(states func() []acme.State) {
	m.Registry.MustRegister(newOrderCollector(states))
}

// GaugeBool exports a value that is 1 if the function returns true, else 0.
func (m *Metrics) GaugeBool(name, help string, value func() bool) {
	m.Gauge(name, help, func() float64 { return truth(value()) })
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Begin counts a request in progress.
func (m *Metrics) Begin() { m.running.Inc() }

// Observe counts an answered request.
func (m *Metrics) Observe(rec *Request, w *connection.Response) {
	m.running.Dec()
	action := string(rec.Action)
	if action == "" {
		action = "none"
	}
	m.requests.WithLabelValues(action, strconv.Itoa(w.Status())).Inc()
	m.latency.WithLabelValues(action).Observe(time.Since(rec.Began).Seconds())
	m.sent.Add(float64(w.Sent()))
	m.received.Add(float64(w.Received()))
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.Registry, promhttp.HandlerOpts{Registry: m.Registry})
}
