package server

import (
	"context"

	"packhouse/server/observe"
)

// measure returns the metrics of a server.
func measure(s *Server) *observe.Metrics {
	m := observe.NewMetrics()
	m.ObserveAuth(s.auth)
	m.ObserveWebhooks(s.notifier)
	m.GaugeBool("packhouse_up", "1 if /health answers UP, else 0.",
		func() bool { return len(s.health.Failing(context.Background())) == 0 })
	m.Gauge("packhouse_users", "Users who can sign in.",
		func() float64 { return float64(s.auth.Users()) })
	m.GaugeBool("packhouse_users_file_ok", "1 if the htpasswd file on disk is in use, 0 if it is damaged or missing.",
		func() bool { return s.auth.Fault() == nil })
	m.GaugeBool("packhouse_config_last_reload_successful", "0 if the last reload failed, else 1.", func() bool {
		last := s.reloads.last()
		return last == nil || last.Error == ""
	})
	m.Gauge("packhouse_config_last_reload_timestamp_seconds", "Time of the last reload, or else of the start.",
		func() float64 {
			if last := s.reloads.last(); last != nil {
				return float64(last.At.Unix())
			}
			return float64(s.started.Unix())
		})
	m.Gauge("packhouse_storage_free_bytes", "Free space of the storage; -1 if unknown.", func() float64 {
		space, err := s.store.Space(context.Background())
		if err != nil {
			return -1
		}
		return float64(space.FreeBytes)
	})
	if s.certs == nil {
		return m
	}
	m.Gauge("packhouse_certificate_not_after_timestamp_seconds", "Time when the served certificate expires.",
		func() float64 { return float64(s.certs.Ends().Unix()) })
	m.GaugeBool("packhouse_certificate_file_ok", "1 if the certificate and key on disk can be served, else 0.",
		func() bool { return s.certs.Fault() == nil })
	if s.certs.Orders() {
		m.ObserveOrders(s.certs.States)
	}
	return m
}
