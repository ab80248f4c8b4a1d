package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"packhouse/server/admin"
	"packhouse/server/connection"
	"packhouse/server/observe"
	"packhouse/server/packview"
	"packhouse/server/reference"
	"packhouse/server/storage"
)

// adminAPI answers requests on the admin socket.
type adminAPI struct{ *Server }

// startAdmin serves the admin socket in the first directory where it can be created. If there is
// none, the server runs without a socket. The returned function stops it and cancels its requests.
func startAdmin(ctx context.Context, s *Server, group *sync.WaitGroup) (stop func()) {
	l := listenAdmin(s)
	if l == nil {
		return func() {}
	}
	ctx, quit := context.WithCancel(ctx)
	h := &http.Server{
		Handler: adminAPI{s}.handler(), ErrorLog: observe.ErrorLog(s.log), ReadHeaderTimeout: connection.HeaderTimeout, IdleTimeout: connection.IdleTimeout,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	group.Go(func() {
		if err := h.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the admin socket is not served any more", "error", err)
		}
	})
	return func() {
		quit()
		patience, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if h.Shutdown(patience) != nil {
			_ = h.Close() // the contexts of its requests are already canceled
		}
	}
}

func listenAdmin(s *Server) net.Listener {
	paths := []string{s.options.AdminSocket}
	switch s.options.AdminSocket {
	case "-":
		return nil
	case "":
		paths = admin.Paths(s.current.Load().config)
	}
	var failures []error
	for _, path := range paths {
		l, err := admin.Listen(path, func(err error) {
			s.log.Warn("closed a connection to the admin socket", "path", path, "error", err)
		})
		if err == nil {
			s.log.Info("admin socket", "path", path)
			return l
		}
		failures = append(failures, err)
	}
	s.log.Warn("there is no admin socket: status, reload and the store commands cannot reach this server",
		"error", errors.Join(failures...), "remedy", "set RUNTIME_DIRECTORY to a directory that only the server's user can write")
	return nil
}

// maxAdminBody bounds a request to the admin socket, in bytes.
const maxAdminBody = 64 << 10

func (s adminAPI) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+admin.PathStatus, func(w http.ResponseWriter, _ *http.Request) { writeAdmin(w, http.StatusOK, s.Status()) })
	mux.HandleFunc("POST "+admin.PathReload, func(w http.ResponseWriter, r *http.Request) {
		_ = s.Reload(context.WithoutCancel(r.Context())) // the response contains the result
		writeAdmin(w, http.StatusOK, s.reloads.last())
	})
	mux.HandleFunc("POST "+admin.PathProbe, s.serveProbe)
	mux.HandleFunc("GET "+admin.PathPacks, s.servePacks)
	mux.HandleFunc("POST "+admin.PathCollect, s.serveCollect)
	mux.HandleFunc("POST "+admin.PathPurge, s.servePurge)
	mux.HandleFunc("POST "+admin.PathScrub, s.serveScrub)
	mux.HandleFunc("POST "+admin.PathUsage, func(w http.ResponseWriter, r *http.Request) {
		out := newLines(w, r)
		out.end(s.store.Usage(r.Context()))
	})
	mux.HandleFunc("POST "+admin.PathReindex, func(w http.ResponseWriter, r *http.Request) {
		out := newLines(w, r)
		out.end(s.store.Reindex(r.Context()))
	})
	mux.HandleFunc("POST "+admin.PathDelete, func(w http.ResponseWriter, r *http.Request) {
		ask, ok := readAdmin[admin.DeleteRequest](w, r)
		if !ok {
			return
		}
		out := newLines(w, r)
		done, err := Delete(r.Context(), s.store, ask)
		line := observe.AuditLine{Event: "admin", Action: "delete", Repository: ask.Repository, Digest: ask.Digest, Outcome: "done"}
		if !done.Deleted {
			line.Outcome = "refused"
		}
		s.audit.Write(line)
		out.end(done, err)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxAdminBody)
		if r.Method != http.MethodGet && r.URL.Path != admin.PathDelete { // which names the content
			s.audit.Write(observe.AuditLine{Event: "admin", Action: strings.TrimPrefix(r.URL.Path, "/"), Outcome: "done"})
		}
		s.log.LogAttrs(r.Context(), slog.LevelDebug, "admin request", slog.String("method", r.Method), slog.String("path", r.URL.Path))
		mux.ServeHTTP(w, r)
	})
}

func (s adminAPI) serveProbe(w http.ResponseWriter, r *http.Request) {
	ask, ok := readAdmin[admin.ProbeRequest](w, r)
	if !ok {
		return
	}
	user, password, err := s.Probe(ask.Role)
	if err != nil {
		writeAdmin(w, http.StatusBadRequest, admin.Line{Error: err.Error()})
		return
	}
	writeAdmin(w, http.StatusOK, admin.ProbeIdentity{User: user, Password: password})
}

func (s adminAPI) serveCollect(w http.ResponseWriter, r *http.Request) {
	ask, ok := readAdmin[admin.CollectRequest](w, r)
	if !ok {
		return
	}
	gc := s.current.Load().config.Storage.Maintenance.GC
	o := storage.CollectOptions{DryRun: ask.DryRun, Window: ask.Window, Untagged: ask.Untagged}
	if o.Window <= 0 {
		o.Window = gc.Window
	}
	if o.Untagged <= 0 {
		o.Untagged = gc.Untagged
	}
	out := newLines(w, r)
	report, err := Collect(r.Context(), s.store, o, func(v storage.Verdict) { out.write(admin.Line{Verdict: &v}) })
	if err == nil && !o.DryRun {
		s.metrics.Freed.Add(float64(report.BytesFreed))
	}
	out.end(report, err)
}

func (s adminAPI) servePurge(w http.ResponseWriter, r *http.Request) {
	ask, ok := readAdmin[admin.PurgeRequest](w, r)
	if !ok {
		return
	}
	if ask.Age <= 0 {
		ask.Age = s.current.Load().config.Storage.Maintenance.UploadPurging.Age
	}
	out := newLines(w, r)
	out.end(s.store.PurgeUploads(r.Context(), ask.Age, ask.DryRun))
}

func (s adminAPI) serveScrub(w http.ResponseWriter, r *http.Request) {
	ask, ok := readAdmin[admin.ScrubRequest](w, r)
	if !ok {
		return
	}
	out := newLines(w, r)
	out.end(s.store.Scrub(r.Context(), storage.ScrubOptions{Rate: ask.Rate}, func(d storage.Damage) {
		s.metrics.Damaged.Inc()
		out.write(admin.Line{Damage: &d})
	}))
}

func (s adminAPI) servePacks(w http.ResponseWriter, r *http.Request) {
	report, err := s.examinePacks(r.Context())
	if err != nil {
		writeAdmin(w, http.StatusInternalServerError, admin.Line{Error: "list packs: " + err.Error()})
		return
	}
	writeAdmin(w, http.StatusOK, report)
}

// Limits of examinePacks.
const (
	mostExamined   = 10_000           // versions
	mostProblems   = 100              // listed versions with a problem
	examinedWithin = 20 * time.Second // versions that take longer are not examined
)

// examinePacks lists the versions of packs that Palette does not install.
func (s adminAPI) examinePacks(ctx context.Context) (admin.PackReport, error) {
	report := admin.PackReport{Problems: []string{}}
	view, ok := s.current.Load().packview.(*packview.View)
	if !ok {
		return report, errors.New("this server has no packs")
	}
	limited, cancel := context.WithTimeout(ctx, examinedWithin)
	defer cancel()
	complete, err := view.Examine(limited, mostExamined, func(repo reference.Repository, v *packview.Version) {
		report.Examined++
		if v.Artifact != nil && v.Summary == nil {
			report.Unread++
		}
		if v.Problem == "" {
			return
		}
		if report.Found++; report.Found <= mostProblems {
			report.Problems = append(report.Problems, fmt.Sprintf("%s:%s: %s", repo, v.Tag, v.Problem))
		}
	})
	report.Complete = complete
	if limited.Err() != nil && ctx.Err() == nil {
		err = nil
	}
	return report, err
}

// lines is a response with one JSON object per line. It is safe for concurrent use.
type lines struct {
	mu      sync.Mutex
	w       io.Writer
	control *http.ResponseController
	flushed time.Time
	stop    func()
}

// newLines starts a response. Until its end it sends an empty line every admin.Heartbeat, because an
// operation on the store may be silent for long.
func newLines(w http.ResponseWriter, r *http.Request) *lines {
	w.Header().Set("Content-Type", "application/x-ndjson")
	ctx, cancel := context.WithCancel(r.Context())
	l := &lines{w: w, control: http.NewResponseController(w)}
	var beating sync.WaitGroup
	beating.Go(func() {
		ticks := time.NewTicker(admin.Heartbeat)
		defer ticks.Stop()
		for {
			select {
			case <-ticks.C:
				l.send([]byte{'\n'})
			case <-ctx.Done():
				return
			}
		}
	})
	l.stop = func() { cancel(); beating.Wait() }
	return l
}

// write sends a line.
func (l *lines) write(line admin.Line) {
	data, err := json.Marshal(line)
	if err != nil {
		data, _ = json.Marshal(admin.Line{Error: err.Error()}) // a string is always encoded
	}
	l.send(append(data, '\n'))
}

// send flushes at most every 100 ms. Write errors are ignored: if the client disconnects, the
// request's context is canceled.
func (l *lines) send(data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.w.Write(data)
	if now := time.Now(); now.Sub(l.flushed) > 100*time.Millisecond {
		l.flushed = now
		_ = l.control.Flush()
	}
}

// end sends the last line.
func (l *lines) end(report any, err error) {
	l.stop()
	if err != nil {
		l.write(admin.Line{Error: err.Error()})
		return
	}
	l.write(admin.Line{Done: report})
}

func readAdmin[T any](w http.ResponseWriter, r *http.Request) (T, bool) {
	var ask T
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&ask); err != nil && !errors.Is(err, io.EOF) {
		writeAdmin(w, http.StatusBadRequest, admin.Line{Error: "read request: " + err.Error()})
		return ask, false
	}
	return ask, true
}

func writeAdmin(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // ignored: the client may have disconnected
}
