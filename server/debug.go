package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"packhouse/server/connection"
)

// startDebug serves metrics, health and profiles on a separate listener, if configured; on loopback
// unless the address has a host. The returned function stops it.
func (s *Server) startDebug() (stop func(), err error) {
	c := s.current.Load().config.HTTP.Debug
	if c.Addr == "" {
		return func() {}, nil
	}
	address := c.Addr
	if host, port, err := net.SplitHostPort(address); err == nil && host == "" {
		address = net.JoinHostPort("localhost", port)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return func() {}, fmt.Errorf("listen for metrics: %w", err)
	}
	mux := http.NewServeMux()
	if c.Prometheus {
		path := c.PrometheusPath
		if path == "" {
			path = "/metrics"
		}
		mux.Handle("GET "+path, s.metrics.handler())
	}
	mux.HandleFunc("GET /debug/health", s.health.ServeDebug)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	h := &http.Server{Handler: localOnly(l.Addr(), mux), ErrorLog: errorLog(s.log), ReadHeaderTimeout: connection.HeaderTimeout, IdleTimeout: connection.IdleTimeout}
	s.log.Info("metrics and profiles are served", "address", l.Addr().String(), "prometheus", c.Prometheus)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := h.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("metrics are not served any more", "error", err)
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if h.Shutdown(ctx) != nil {
			_ = h.Close() // a profile may be running; it ends with the process
		}
		<-ended
	}, nil
}
