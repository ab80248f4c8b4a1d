package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"packhouse/finding"
	"packhouse/printable"
	"packhouse/server/auth"
	"packhouse/server/certificates"
	"packhouse/server/config"
	"packhouse/server/connection"
	"packhouse/server/health"
	"packhouse/server/notification"
	"packhouse/server/observe"
	packrecord "packhouse/server/packview/record"
	"packhouse/server/storage"
	"packhouse/server/storage/drivers"
)

// Options configures a Server. Only Config is required.
type Options struct {
	Config     *config.Config
	ConfigPath string // of the configuration file, for messages; empty: the built-in configuration
	Version    string // of the program

	ConfigReason string   // why this file is used, for the log; empty: not logged
	ConfigUnused []string // existing configuration files that are not read, for the log

	// Notices returns warnings and notes about the current configuration. It is called after the
	// start and after each reload. Nil: none.
	Notices func() []finding.Finding

	// Load reads and verifies the configuration for Reload. Nil: Reload only reads the files that
	// Config names.
	Load func(ctx context.Context) (*config.Config, error)

	Log   *slog.Logger // nil: a logger to LogTo as in Config.Log, whose level reloads change
	LogTo io.Writer    // nil: standard error

	// AdminSocket is the path of the admin socket. "": the first usable one of admin.Paths; "-": no
	// socket.
	AdminSocket string

	// Ready is called once, when the server accepts connections and admin requests. Draining is
	// called when it stops accepting them, with the maximum time for running requests. Both may be
	// nil.
	Ready    func()
	Draining func(timeout time.Duration)

	// StoreWait is the maximum time to wait for an offline command that owns the store. 0: two
	// minutes.
	StoreWait time.Duration

	Store storage.Store    // nil: the store in Config. The server does not close a store that the caller passes
	Now   func() time.Time // nil: time.Now
}

// Server is a registry. New returns one that is ready to use as an http.Handler.
type Server struct {
	options Options
	started time.Time
	nonce   string
	now     func() time.Time
	log     *slog.Logger
	level   *slog.LevelVar

	store    storage.Store
	records  *packrecord.Records // of the archives of packs
	auth     *auth.Authenticator
	signIns  auth.Keeper // nil: sign-ins are not stored
	audit    *observe.Audit
	notifier *notification.Notifier
	certs    *certificates.Manager // nil without TLS
	metrics  *observe.Metrics
	requests *connection.Requests
	current  atomic.Pointer[state]
	reloads  reloads
	health   *health.Checks
	unlisted atomic.Bool // warned about a proxy missing from http.trustedproxies

	life life
}

// life is the state of the server's life cycle.
type life struct {
	mu       sync.Mutex
	listener net.Listener
	running  bool
	stop     chan struct{} // closed when Run must drain
	stopping sync.Once
	stopped  chan struct{} // closed when everything is released
	ending   sync.Once
}

var _ http.Handler = (*Server)(nil)

// New opens the store, reads certificates and users, and returns a server that does not listen yet.
// If Run is never called, call Shutdown to release the store.
func New(ctx context.Context, o Options) (*Server, error) {
	if o.Config == nil {
		return nil, errors.New("make server: no configuration")
	}
	if o.LogTo == nil {
		o.LogTo = os.Stderr
	}
	s := &Server{options: o, now: o.Now, log: o.Log, level: new(slog.LevelVar), nonce: strings.ToLower(rand.Text())}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = observe.NewLogger(o.Config.Log, o.LogTo, s.level)
	}
	s.started = s.now()
	s.requests = connection.NewRequests(o.Config.HTTP.Limits.Requests)
	s.life.stop, s.life.stopped = make(chan struct{}), make(chan struct{})
	logStart(ctx, s)
	if err := s.assemble(ctx); err != nil {
		s.release()
		return nil, err
	}
	return s, nil
}

// assemble opens the parts of the server in the order of their dependencies.
func (s *Server) assemble(ctx context.Context) (err error) {
	c := s.options.Config
	if s.audit, err = observe.OpenAudit(c.Log.Audit.Path, s.now, s.log); err != nil {
		return err
	}
	if s.auth, err = auth.NewAuthenticator(c.Auth, auth.Options{
		Now: s.now, Log: s.log, ConfigPath: s.options.ConfigPath,
	}); err != nil {
		return fmt.Errorf("read users: %w", err)
	}
	if s.store = s.options.Store; s.store == nil {
		wait := cmp.Or(s.options.StoreWait, defaultStoreWait)
		if s.store, err = drivers.Open(ctx, c, drivers.Options{Log: s.log, Now: s.now, Wait: wait}); err != nil {
			return err
		}
	}
	if s.signIns = openSignIns(c, s.store); s.signIns != nil {
		if err := s.auth.Restore(ctx, s.signIns); err != nil {
			s.log.WarnContext(ctx, "sign-ins from before the start are forgotten", "error", err)
		}
	}
	if c.HTTP.TLS.Enabled() {
		if s.certs, err = certificates.New(ctx, c, s.store, s.now, s.log); err != nil {
			return err
		}
		if path := s.options.ConfigPath; path != "" {
			s.certs.Rotate += " --dir " + printable.Shell(filepath.Dir(path))
		}
	}
	s.records = openRecords(s.store, s.log, s.now)
	if s.notifier, err = openNotifier(c, s.store, s.log); err != nil {
		return err
	}
	warnModes(c, s.log)
	s.health = health.New(health.Options{
		Store: s.store, ReadOnly: c.Storage.Maintenance.ReadOnly.Enabled, Instance: s.nonce, Log: s.log,
	}, c.Health)
	st, err := s.newState(c)
	if err != nil {
		return err
	}
	s.current.Store(st)
	s.metrics = measure(s)
	return nil
}

// logStart logs the version and the settings that are misconfigured most often.
func logStart(ctx context.Context, s *Server) {
	c := s.options.Config
	path := s.options.ConfigPath
	if path == "" {
		path = "(built-in default)"
	}
	if s.options.ConfigReason != "" {
		path += " (" + s.options.ConfigReason + ")"
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "packhouse starts",
		slog.String("config", path), slog.String("auth", describeAuth(c.Auth)), slog.String("tls", describeTLS(c.HTTP.TLS)),
		slog.String("storage", describeStorage(c.Storage)), slog.String("address", c.HTTP.Addr),
		slog.String("version", s.options.Version), slog.Int("pid", os.Getpid()))
	for _, unused := range s.options.ConfigUnused {
		s.log.LogAttrs(ctx, slog.LevelWarn, "a configuration file is there and not read", slog.String("file", unused))
	}
	logNotices(ctx, s)
}

// logNotices logs notices about the configuration.
func logNotices(ctx context.Context, s *Server) {
	if s.options.Notices == nil {
		return
	}
	for _, p := range s.options.Notices() {
		level := slog.LevelInfo
		if p.Severity != finding.Note {
			level = slog.LevelWarn
		}
		attrs := []slog.Attr{slog.String("code", p.Code), slog.String("where", p.Where()), slog.String("what", p.What)}
		if p.Remedy != "" {
			attrs = append(attrs, slog.String("remedy", p.Remedy))
		}
		s.log.LogAttrs(ctx, level, "configuration", attrs...)
	}
}

// Fingerprint returns the SHA-256 of the served certificate as "AB:CD:…", or "" without TLS.
func (s *Server) Fingerprint() string {
	if s.certs == nil {
		return ""
	}
	return s.certs.Fingerprint()
}

// Nonce returns a random word of this process. The header Packhouse-Instance of /health contains
// it, which proves that this process serves a port.
func (s *Server) Nonce() string { return s.nonce }

// Probe returns an identity with a role for local checks, valid for one minute.
func (s *Server) Probe(role string) (user, password string, err error) {
	r, err := auth.ParseRole(role)
	if err != nil {
		return "", "", err
	}
	user, password = s.auth.Probes().Issue(r)
	return user, password, nil
}
