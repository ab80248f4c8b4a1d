package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"packhouse/server/auth"
	"packhouse/server/connection"
	"packhouse/server/observe"
	"packhouse/server/problem"
	"packhouse/server/route"
)

// exchange is a request and its response.
type exchange struct {
	server *Server
	state  *state
	w      *connection.Response
	r      *http.Request
	open   *connection.Request
	record observe.Request
}

// ServeHTTP parses, authenticates and authorizes a request and calls the handler of its action. A
// panic ends only its own request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	st := s.current.Load()
	x := &exchange{server: s, state: st, record: observe.Request{Began: time.Now()}}
	x.record.Client, x.r = s.origin(st, r)
	x.w = connection.NewResponse(w, x.r, st.stall, st.body)
	connection.EndAfterChunked(w, x.r)
	h := w.Header()
	for _, fixed := range st.headers {
		h[fixed.name] = fixed.values
	}
	st.cors.answerTo(h, x.r)
	s.metrics.Begin()
	var err error
	x.open, err = s.requests.Begin(x.w, x.r, x.record.Client, st.trusts(x.record.Client.Addr))
	defer func() { x.end(recover()) }()
	if err == nil {
		err = x.dispatch()
	}
	if err != nil {
		x.record.Reason = err
		x.open.Expend()
		x.refuse(err)
	}
}

// end records the outcome. panicked is the value of a panic, or nil.
func (x *exchange) end(panicked any) {
	s := x.server
	if panicked != nil {
		x.recovered(panicked)
	}
	x.w.Finish(x.record.Aborted)
	x.open.End()
	s.metrics.Observe(&x.record, x.w)
	if !x.state.config.Log.AccessLog.Disabled {
		observe.LogAccess(s.log, x.r, &x.record, x.w)
	}
	s.audit.Request(x.r, &x.record, x.w)
	if x.record.Aborted || x.w.HangUp() {
		// Close the connection: the client must not take a response that was cut off for a complete one.
		panic(http.ErrAbortHandler)
	}
}

// dispatch runs all checks on a request and calls its handler.
func (x *exchange) dispatch() error {
	if err := x.server.checkHost(x.state, x.r); err != nil {
		return err
	}
	if x.state.cors.preflight(x.r) {
		x.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	req, err := x.state.paths().Parse(x.r)
	if err != nil {
		return err
	}
	if err := crossSite(x.r); err != nil && !x.state.cors.permits(x.r) {
		return problem.Forbidden("the request comes from a page of another site: " +
			"use a registry client or the pages of this server").Because(err)
	}
	view, ok := x.state.packview.(opener)
	if ok && x.state.policy.AllRead(req.Repository) && view.Opens(x.r.Context(), req) {
		req.Action = route.PackLogo
	}
	x.record.Action, x.record.Request = req.Action, req
	id := auth.Identity{Anonymous: true}
	if !x.state.policy.Public(req.Action) {
		if id, err = x.server.auth.Authenticate(x.r); err != nil {
			return err
		}
	}
	x.record.User = id.User
	grant, err := x.state.policy.Decide(id, req)
	if err != nil {
		return err
	}
	if x.state.policy.Public(req.Action) {
		x.open.Expend()
	} else if err := x.open.Grant(x.r.Context(), id); err != nil {
		return err
	}
	return x.state.serve(x.w, x.r, grant)
}

// refuse responds with an error. If the response has started, it can only be cut off.
func (x *exchange) refuse(err error) {
	if x.w.Status() != 0 {
		x.record.Aborted = true
		x.record.Refusal = problem.From(err)
		level := slog.LevelError
		if x.r.Context().Err() != nil {
			level = slog.LevelDebug // the client disconnected
		}
		x.server.log.LogAttrs(x.r.Context(), level, "response cut off", x.attrs(
			slog.Any("error", err))...)
		return
	}
	x.w.Refuse(x.r, func() { x.record.Refusal = problem.Write(x.w, x.r, err) })
	if x.record.Refusal.Code == problem.BodyTimeout {
		x.server.log.LogAttrs(x.r.Context(), slog.LevelWarn, "a request body stalled", x.attrs(
			slog.String("user", x.record.User),
			slog.Int64("received", x.w.Received()), slog.String("reason", x.record.Refusal.Message))...)
	}
	if x.record.Refusal.Status >= http.StatusInternalServerError && x.r.Context().Err() == nil {
		x.server.log.LogAttrs(x.r.Context(), slog.LevelError, "a request failed", x.attrs(
			slog.String("code", x.record.Refusal.Code), slog.Any("error", err))...)
	}
}

// attrs adds the request to the attributes of a log line.
func (x *exchange) attrs(attrs ...slog.Attr) []slog.Attr {
	return append([]slog.Attr{slog.String("method", x.r.Method), slog.String("path", observe.PathOf(x.r))}, attrs...)
}

var errPanic = errors.New("a request handler panicked")

// recovered turns a panic into a 500. The stack trace is logged, not sent.
func (x *exchange) recovered(v any) {
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		x.record.Aborted = true
		return
	}
	x.server.log.LogAttrs(x.r.Context(), slog.LevelError, "a request handler panicked", x.attrs(
		slog.Any("panic", v), slog.String("trace", string(debug.Stack())))...)
	if x.w.Status() != 0 {
		x.record.Aborted = true
		return
	}
	x.record.Refusal = problem.Write(x.w, x.r, errPanic)
}

// opener reports whether a request is for public content that its path does not identify: the logo
// of a pack.
type opener interface {
	Opens(ctx context.Context, req route.Request) bool
}
