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
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"packhouse/server/auth"
	"packhouse/server/config"
	"packhouse/server/notification"
	packrecord "packhouse/server/packview/record"
	"packhouse/server/storage"
	"packhouse/server/storage/filesystem"
)

// Options is what a server is made of. Only Config is needed.
type Options struct {
	Config     *config.Config
	ConfigPath string // of the file Config was read from, as people are told; empty: the built-in document
	Version    string // of the program

	ConfigReason string   // why this file, in words; empty: nobody is told
	ConfigUnused []string // configuration files that are there and not read; somebody may believe they are

	// Notices returns what there is to say about the configuration that was read last: warnings, and what settings mean here. It is asked
	// after the start and after every reload. Nil: nothing.
	Notices func() []config.Problem

	// Load reads and verifies the configuration anew, for Reload. Nil: Reload only looks at the files that Config names.
	Load func(ctx context.Context) (*config.Config, error)

	Log   *slog.Logger // nil: made of Config.Log, on LogTo; a reload then changes the level too
	LogTo io.Writer    // nil: standard error

	// AdminSocket is where the admin socket is put: "" where admin.Paths says, "-" nowhere.
	AdminSocket string

	// Ready is called once, when connections and the admin socket are served. Draining is called when that ends, with how long running requests
	// may take at most. Nil: nobody is told.
	Ready    func()
	Draining func(timeout time.Duration)

	// StoreWait bounds how long to wait for an offline command that owns the store. 0: two minutes.
	StoreWait time.Duration

	Store storage.Store    // nil: opened as Config says; a store that was given is not closed by the server
	Now   func() time.Time // nil: time.Now
}

// Server is a registry. Make it with New; it is an http.Handler from then on.
type Server struct {
	options Options
	started time.Time
	nonce   string
	now     func() time.Time
	log     *slog.Logger
	level   *slog.LevelVar

	store    storage.Store
	records  *packrecord.Records // what is known of packs' archives
	auth     *auth.Authenticator
	signIns  auth.Keeper // nil: sign-ins are not kept
	audit    *audit
	notifier *notification.Notifier
	certs    *certificates // nil without TLS
	metrics  *metrics
	current  atomic.Pointer[state]
	reloads  reloads
	probed   probes
	wrote    storeProbe
	asked    bounded     // calls of store.Health
	unlisted atomic.Bool // a proxy that the configuration does not list was told of

	life life
}

// life is what begins and ends.
type life struct {
	mu       sync.Mutex
	listener net.Listener
	running  bool
	stop     chan struct{} // closed: Run shall drain
	stopping sync.Once
	stopped  chan struct{} // closed: everything has been let go
	ending   sync.Once
}

var _ http.Handler = (*Server)(nil)

// New makes a server: it opens the store and reads certificates and users, and fails if one of them is not to be had. Nothing is listened
// on yet. Whoever does not call Run calls Shutdown, to let the store go.
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
		s.log = newLogger(o.Config.Log, o.LogTo, s.level)
	}
	s.started = s.now()
	s.life.stop, s.life.stopped = make(chan struct{}), make(chan struct{})
	s.announce(ctx)
	if err := s.assemble(ctx); err != nil {
		s.release()
		return nil, err
	}
	return s, nil
}

// assemble opens everything in the order in which it is needed.
func (s *Server) assemble(ctx context.Context) (err error) {
	c := s.options.Config
	if s.audit, err = openAudit(c.Log.Audit.Path, s.now, s.log); err != nil {
		return err
	}
	if s.auth, err = auth.NewAuthenticator(c.Auth, auth.Options{Now: s.now, Log: s.log}); err != nil {
		return fmt.Errorf("read users: %w", err)
	}
	if s.store = s.options.Store; s.store == nil {
		wait := cmp.Or(s.options.StoreWait, defaultStoreWait)
		if s.store, err = openStore(ctx, c, filesystem.Options{Log: s.log, Now: s.now, Wait: wait}); err != nil {
			return err
		}
	}
	if s.signIns = openSignIns(c, s.store); s.signIns != nil {
		if err := s.auth.Restore(ctx, s.signIns); err != nil {
			s.log.WarnContext(ctx, "sign-ins from before the start are forgotten", "error", err)
		}
	}
	if c.HTTP.TLS.Enabled() {
		if s.certs, err = newCertificates(ctx, c, s.store, s.now, s.log); err != nil {
			return err
		}
	}
	s.records = s.openRecords()
	if s.notifier, err = s.openNotifier(c); err != nil {
		return err
	}
	warnModes(c, s.log)
	st, err := s.newState(c)
	if err != nil {
		return err
	}
	s.current.Store(st)
	s.openProbes(c.Health)
	s.metrics = newMetrics(s)
	return nil
}

// announce writes the first line: what of a configuration people get wrong most often.
func (s *Server) announce(ctx context.Context) {
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
	s.sayNotices(ctx)
}

// sayNotices tells what there is to say about the configuration.
func (s *Server) sayNotices(ctx context.Context) {
	if s.options.Notices == nil {
		return
	}
	for _, p := range s.options.Notices() {
		level := slog.LevelInfo
		if p.Severity != config.Notice {
			level = slog.LevelWarn
		}
		attrs := []slog.Attr{slog.String("code", p.Code), slog.String("where", p.Where()), slog.String("what", p.What)}
		if p.Remedy != "" {
			attrs = append(attrs, slog.String("remedy", p.Remedy))
		}
		s.log.LogAttrs(ctx, level, "configuration", attrs...)
	}
}

// Fingerprint returns the SHA-256 of the certificate that is served, as "AB:CD:…"; empty without TLS.
func (s *Server) Fingerprint() string {
	if s.certs == nil {
		return ""
	}
	return s.certs.fingerprint()
}

// Nonce is a random word of this process, which /health shows in the header Packhouse-Instance: it proves that a port is served by it.
func (s *Server) Nonce() string { return s.nonce }

// Probe makes a one-minute identity for local checks.
func (s *Server) Probe(role string) (user, password string, err error) {
	r, err := auth.ParseRole(role)
	if err != nil {
		return "", "", err
	}
	user, password = s.auth.Probes().Issue(r)
	return user, password, nil
}
