package server

import (
	"io"
	"log"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"packhouse/server/config"
	"packhouse/server/connection"
	"packhouse/server/route"
)

// newLogger creates the configured logger.
func newLogger(c config.Log, to io.Writer, level *slog.LevelVar) *slog.Logger {
	level.Set(levelOf(c.Level))
	options := &slog.HandlerOptions{Level: level}
	var h slog.Handler = slog.NewTextHandler(to, options)
	if c.Formatter == "json" {
		h = slog.NewJSONHandler(to, options)
	}
	var fields []slog.Attr
	for _, name := range slices.Sorted(maps.Keys(c.Fields)) {
		fields = append(fields, slog.String(name, c.Fields[name]))
	}
	return slog.New(h.WithAttrs(fields))
}

func levelOf(name string) slog.Level {
	switch strings.ToLower(name) {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return slog.LevelInfo
}

// maxAgent is the maximum length of a User-Agent in the log, in bytes.
const maxAgent = 120

// longestPath is the maximum length of a path in the log, in bytes. It exceeds that of any valid
// path.
const longestPath = 1024

// pathOf returns the path of a request for the log.
func pathOf(r *http.Request) string { return r.URL.Path[:min(len(r.URL.Path), longestPath)] }

// logAccess logs a request. It omits the query and all headers except User-Agent, so credentials
// are never logged. Successful health checks are logged at debug level.
func logAccess(log *slog.Logger, r *http.Request, rec *record, w *connection.Response) {
	level := slog.LevelInfo
	if (rec.action == route.Health || rec.action == route.PageRoot) && w.Status() == http.StatusOK {
		level = slog.LevelDebug
	}
	if !log.Enabled(r.Context(), level) {
		return
	}
	attrs := make([]slog.Attr, 0, 12)
	attrs = append(attrs,
		slog.String("method", r.Method), slog.String("path", pathOf(r)), slog.Int("status", w.Status()), slog.Int64("bytes", w.Sent()),
		slog.String("duration", time.Since(rec.began).Round(time.Microsecond).String()), slog.String("remote", rec.client.String()))
	if rec.user != "" {
		attrs = append(attrs, slog.String("user", rec.user))
	}
	if rec.action != "" {
		attrs = append(attrs, slog.String("action", string(rec.action)))
	}
	if rec.refusal != nil {
		attrs = append(attrs, slog.String("code", rec.refusal.Code))
	}
	if rec.aborted {
		attrs = append(attrs, slog.Bool("cut_off", true))
	}
	if received := w.Received(); received > 0 {
		attrs = append(attrs, slog.Int64("received", received))
	}
	if agent := r.UserAgent(); agent != "" {
		attrs = append(attrs, slog.String("agent", agent[:min(len(agent), maxAgent)]))
	}
	log.LogAttrs(r.Context(), level, "request", attrs...)
}

// errorLog returns a logger for net/http. Failed handshakes, caused by scanners or clients that
// trust another CA, are not errors of this server.
func errorLog(l *slog.Logger) *log.Logger { return log.New(&errorWriter{l}, "", 0) }

type errorWriter struct{ log *slog.Logger }

func (w *errorWriter) Write(p []byte) (int, error) {
	line := strings.TrimSpace(string(p))
	if strings.Contains(line, "TLS handshake error") || strings.Contains(line, "URL query contains semicolon") {
		w.log.Debug("a connection failed", "what", line)
	} else {
		w.log.Warn("a connection failed", "what", line)
	}
	return len(p), nil
}
