package server

import "context"

// measure returns the metrics of a server.
func measure(s *Server) *metrics {
	m := newMetrics()
	m.observeAuth(s.auth)
	m.observeWebhooks(s.notifier)
	m.gauge("packhouse_up", "1 when /health says UP.", func() float64 { return truth(len(s.health.Failing(context.Background())) == 0) })
	m.gauge("packhouse_users", "Users who can sign in.", func() float64 { return float64(s.auth.Users()) })
	m.gauge("packhouse_users_file_ok", "1 if the htpasswd file on disk is in use, 0 if it is damaged or missing.", func() float64 { return truth(s.auth.Fault() == nil) })
	m.gauge("packhouse_config_last_reload_successful", "1 unless the last reload failed.", func() float64 {
		last := s.reloads.last()
		return truth(last == nil || last.Error == "")
	})
	m.gauge("packhouse_config_last_reload_timestamp_seconds", "When the last reload was, or the start.", func() float64 {
		if last := s.reloads.last(); last != nil {
			return float64(last.At.Unix())
		}
		return float64(s.started.Unix())
	})
	m.gauge("packhouse_storage_free_bytes", "Bytes left where the store lives.", func() float64 {
		space, err := s.store.Space(context.Background())
		if err != nil {
			return -1
		}
		return float64(space.FreeBytes)
	})
	if s.certs != nil {
		m.gauge("packhouse_certificate_not_after_timestamp_seconds", "End of the certificate that is served.", func() float64 { return float64(s.certs.ends().Unix()) })
		if s.certs.orders() {
			m.observeOrders(s.certs.states)
		}
		m.gauge("packhouse_certificate_file_ok", "1 when the files of certificate and key can be served as a pair.", func() float64 { return truth(s.certs.fault() == nil) })
	}
	return m
}
