package observe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"packhouse/server/config"
	"packhouse/server/connection"
)

// ServeDebug serves metrics, health and profiles on a separate listener, if configured; on loopback
// unless the address has a host. The returned function stops it.
func ServeDebug(
	c config.Debug, metrics http.Handler, health http.HandlerFunc, log *slog.Logger,
) (stop func(), err error) {
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
		mux.Handle("GET "+path, metrics)
	}
	mux.HandleFunc("GET /debug/health", health)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	h := &http.Server{
		Handler: localOnly(l.Addr(), mux), ErrorLog: ErrorLog(log),
		ReadHeaderTimeout: connection.HeaderTimeout, IdleTimeout: connection.IdleTimeout,
	}
	log.Info("metrics and profiles are served", "address", l.Addr().String(), "prometheus", c.Prometheus)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := h.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are not served any more", "error", err)
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

// localOnly rejects requests that reach h, which needs no authentication, on a loopback listener under
// a foreign name: a web page whose name resolves to 127.0.0.1 (DNS rebinding) could read it through
// its visitor's browser.
func localOnly(listener net.Addr, h http.Handler) http.Handler {
	if !config.Local(listener.Network(), listener.String()) {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host := connection.HostName(r.Host); host != "" && !connection.LocalName(host) {
			http.Error(w, "this address answers only to names of this machine: use localhost", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}
