package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"packhouse/server/auth"
	"packhouse/server/connection"
	"packhouse/server/observe"
	"packhouse/server/problem"
	"packhouse/server/route"
)

// ServeHTTP parses, authenticates and authorizes a request and calls the handler of its action. A
// panic ends only its own request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	st := s.current.Load()
	rec := observe.Request{Began: time.Now()}
	rec.Client, r = s.origin(st, r)
	rw := connection.NewResponse(w, r, st.stall, st.body)
	connection.EndAfterChunked(w, r)
	h := w.Header()
	for _, fixed := range st.headers {
		h[fixed.name] = fixed.values
	}
	st.cors.answerTo(h, r)
	s.metrics.Begin()
	open, err := s.requests.Begin(rw, r, rec.Client, st.trusts(rec.Client.Addr))
	defer func() {
		if v := recover(); v != nil {
			s.recovered(rw, r, &rec, v)
		}
		rw.Finish(rec.Aborted)
		open.End()
		s.metrics.Observe(&rec, rw)
		if !st.config.Log.AccessLog.Disabled {
			observe.LogAccess(s.log, r, &rec, rw)
		}
		s.audit.Request(r, &rec, rw)
		if rec.Aborted || rw.HangUp() {
			// Close the connection: the client must not take a response that was cut off for a complete one.
			panic(http.ErrAbortHandler)
		}
	}()
	if err == nil {
		err = s.dispatch(rw, r, st, &rec, open)
	}
	if err != nil {
		rec.Reason = err
		open.Expend()
		s.refuse(rw, r, &rec, err)
	}
}

// crossOrigin rejects changes that a browser requests for a page of another site, because it would
// send stored credentials along. Other clients send neither Sec-Fetch-Site nor Origin and are
// accepted.
var crossOrigin = http.NewCrossOriginProtection()

var errPlainOrigin = errors.New("a page loaded over plain HTTP requests a change over HTTPS")

// crossSite returns an error if a page of another site requests a change. That includes the plain
// HTTP site of the same host, which anyone on the network can impersonate; for old browsers,
// net/http compares only the hosts.
func crossSite(r *http.Request) error {
	if err := crossOrigin.Check(r); err != nil {
		return err
	}
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
	if r.TLS != nil && !safe && strings.HasPrefix(r.Header.Get("Origin"), "http://") {
		return errPlainOrigin
	}
	return nil
}

// dispatch runs all checks on a request and calls its handler.
func (s *Server) dispatch(w *connection.Response, r *http.Request, st *state, rec *observe.Request, open *connection.Request) error {
	if err := s.checkHost(st, r); err != nil {
		return err
	}
	if st.cors.preflight(r) {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	req, err := st.paths().Parse(r)
	if err != nil {
		return err
	}
	if err := crossSite(r); err != nil && !st.cors.permits(r) {
		return problem.Forbidden("the request comes from a page of another site: use a registry client or the pages of this server").Because(err)
	}
	if view, ok := st.packview.(opener); ok && view.Opens(r.Context(), req) {
		req.Action = route.PackLogo
	}
	rec.Action, rec.Request = req.Action, req
	id := auth.Identity{Anonymous: true}
	if !st.policy.Public(req.Action) {
		if id, err = s.auth.Authenticate(r); err != nil {
			return err
		}
	}
	rec.User = id.User
	grant, err := st.policy.Decide(id, req)
	if err != nil {
		return err
	}
	if st.policy.Public(req.Action) {
		open.Expend()
	} else if err := open.Grant(r.Context(), id); err != nil {
		return err
	}
	return s.answer(w, r, st, grant)
}

// opener reports whether a request is for public content that its path does not identify: the logo
// of a pack.
type opener interface {
	Opens(ctx context.Context, req route.Request) bool
}

// refuse responds with an error. If the response has started, it can only be cut off.
func (s *Server) refuse(w *connection.Response, r *http.Request, rec *observe.Request, err error) {
	if w.Status() != 0 {
		rec.Aborted = true
		rec.Refusal = problem.From(err)
		level := slog.LevelError
		if r.Context().Err() != nil {
			level = slog.LevelDebug // the client disconnected
		}
		s.log.LogAttrs(r.Context(), level, "response cut off", slog.String("method", r.Method), slog.String("path", observe.PathOf(r)), slog.Any("error", err))
		return
	}
	w.Refuse(r, func() { rec.Refusal = problem.Write(w, r, err) })
	if rec.Refusal.Code == problem.BodyTimeout {
		s.log.LogAttrs(r.Context(), slog.LevelWarn, "a request body stalled",
			slog.String("method", r.Method), slog.String("path", observe.PathOf(r)), slog.String("user", rec.User),
			slog.Int64("received", w.Received()), slog.String("reason", rec.Refusal.Message))
	}
	if rec.Refusal.Status >= http.StatusInternalServerError && r.Context().Err() == nil {
		s.log.LogAttrs(r.Context(), slog.LevelError, "a request failed", slog.String("method", r.Method), slog.String("path", observe.PathOf(r)),
			slog.String("code", rec.Refusal.Code), slog.Any("error", err))
	}
}

var errPanic = errors.New("a request handler panicked")

// recovered turns a panic into a 500. The stack trace is logged, not sent.
func (s *Server) recovered(w *connection.Response, r *http.Request, rec *observe.Request, v any) {
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		rec.Aborted = true
		return
	}
	s.log.LogAttrs(r.Context(), slog.LevelError, "a request handler panicked", slog.String("method", r.Method), slog.String("path", observe.PathOf(r)),
		slog.Any("panic", v), slog.String("trace", string(debug.Stack())))
	if w.Status() != 0 {
		rec.Aborted = true
		return
	}
	rec.Refusal = problem.Write(w, r, errPanic)
}
