package observe

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

// NewLogger creates the configured logger.
func NewLogger(c config.Log, to io.Writer, level *slog.LevelVar) *slog.Logger {
	level.Set(LevelOf(c.Level))
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

// LevelOf parses a level of log.level. Unknown ones are "info".
func LevelOf(name string) slog.Level {
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

// PathOf returns the path of a request for the log.
func PathOf(r *http.Request) string { return r.URL.Path[:min(len(r.URL.Path), longestPath)] }

// LogAccess logs a request. It omits the query and all headers except User-Agent, so credentials
// are never logged. Successful health checks are logged at debug level.
func LogAccess(log *slog.Logger, r *http.Request, rec *Request, w *connection.Response) {
	level := slog.LevelInfo
	if (rec.Action == route.Health || rec.Action == route.PageRoot) && w.Status() == http.StatusOK {
		level = slog.LevelDebug
	}
	if !log.Enabled(r.Context(), level) {
		return
	}
	attrs := make([]slog.Attr, 0, 12)
	attrs = append(attrs,
		slog.String("method", r.Method), slog.String("path", PathOf(r)), slog.Int("status", w.Status()),
		slog.Int64("bytes", w.Sent()), slog.String("duration", time.Since(rec.Began).Round(time.Microsecond).String()),
		slog.String("remote", rec.Client.String()))
	if rec.User != "" {
		attrs = append(attrs, slog.String("user", rec.User))
	}
	if rec.Action != "" {
		attrs = append(attrs, slog.String("action", string(rec.Action)))
	}
	if rec.Refusal != nil {
		attrs = append(attrs, slog.String("code", rec.Refusal.Code))
	}
	if rec.Aborted {
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

// ErrorLog returns a logger for net/http. Failed handshakes, caused by scanners or clients that
// trust another CA, are not errors of this server.
func ErrorLog(l *slog.Logger) *log.Logger { return log.New(&errorWriter{l}, "", 0) }

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
