package server

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	"packhouse/server/admin"
	"packhouse/server/config"
	"packhouse/server/observe"
)

// reloads serializes reloads and keeps the result of the last one.
type reloads struct {
	running sync.Mutex

	mu     sync.Mutex
	result *admin.Reload
}

func (r *reloads) last() *admin.Reload {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.result
}

// Reload reads and verifies the configuration and applies it without dropping connections: users,
// roles, certificates, headers, request limits, webhooks, health checks, and the log level.
// Settings that need a restart stay unchanged and are listed in the log and the status. An invalid
// configuration changes nothing; the error stays in the status until a reload succeeds.
func (s *Server) Reload(ctx context.Context) error {
	s.reloads.running.Lock()
	defer s.reloads.running.Unlock()
	restart, err := s.reload(ctx)
	result := &admin.Reload{At: s.now(), NeedsRestart: restart}
	s.reloads.mu.Lock()
	defer s.reloads.mu.Unlock()
	s.reloads.result = result
	if err != nil {
		result.Error = err.Error()
		s.audit.Write(observe.AuditLine{Event: "reload", Outcome: "refused"})
		s.log.ErrorContext(ctx, "the configuration was not taken up, the one before stays", "config", s.options.ConfigPath, "error", err)
		return err
	}
	s.audit.Write(observe.AuditLine{Event: "reload", Outcome: "done"})
	s.log.InfoContext(ctx, "configuration taken up", "config", s.options.ConfigPath)
	logNotices(ctx, s)
	if len(restart) > 0 {
		s.log.WarnContext(ctx, "some settings wait for a restart", "keys", restart)
	}
	return nil
}

func (s *Server) reload(ctx context.Context) (restart []string, err error) {
	was := s.current.Load().config
	next := was
	if s.options.Load != nil {
		if next, err = s.options.Load(ctx); err != nil {
			return nil, fmt.Errorf("reload configuration: %w", err)
		}
	}
	if err := s.audit.Reopen(); err != nil {
		return nil, err
	}
	next, restart = keepUntilRestart(was, next)
	st, err := s.newState(next)
	if err != nil {
		return nil, fmt.Errorf("reload configuration: %w", err)
	}
	// Steps that may fail come first and change nothing, except for reloading users, which is
	// harmless.
	webhooks, err := s.notifier.Prepare(next.Notifications)
	if err != nil {
		return nil, fmt.Errorf("reload notifications: %w", err)
	}
	certs := func() {}
	if s.certs != nil {
		if certs, err = s.certs.Prepare(next.HTTP); err != nil {
			webhooks.Abandon()
			return nil, fmt.Errorf("reload certificate: %w", err)
		}
	}
	if err := s.auth.Reconfigure(next.Auth); err != nil {
		webhooks.Abandon()
		return nil, fmt.Errorf("reload users: %w", err)
	}
	certs()
	webhooks.Commit()
	if s.options.Log == nil {
		s.level.Set(observe.LevelOf(next.Log.Level))
	}
	s.current.Store(st)
	s.health.Configure(next.Health)
	return restart, nil
}

// fixed lists the settings that need a restart. A reload applies all others.
var fixed = []struct {
	key  string
	part func(*config.Config) any // returns a pointer into the configuration
}{
	{"http.addr", func(c *config.Config) any { return &c.HTTP.Addr }},
	{"http.net", func(c *config.Config) any { return &c.HTTP.Net }},
	{"http.http2.disabled", func(c *config.Config) any { return &c.HTTP.HTTP2Disabled }},
	{"http.h2c.enabled", func(c *config.Config) any { return &c.HTTP.H2CEnabled }},
	{"http.debug", func(c *config.Config) any { return &c.HTTP.Debug }},
	{"http.limits.connections", func(c *config.Config) any { return &c.HTTP.Limits.Connections }},
	{"http.limits.requests", func(c *config.Config) any { return &c.HTTP.Limits.Requests }},
	{"http.limits.headerbytes", func(c *config.Config) any { return &c.HTTP.Limits.HeaderBytes }},
	{"http.limits.uploadsperuser", func(c *config.Config) any { return &c.HTTP.Limits.UploadsPerUser }},
	{"http.tls.letsencrypt", func(c *config.Config) any { return &c.HTTP.TLS.LetsEncrypt }},
	{"log.formatter", func(c *config.Config) any { return &c.Log.Formatter }},
	{"log.fields", func(c *config.Config) any { return &c.Log.Fields }},
	{"log.audit", func(c *config.Config) any { return &c.Log.Audit }},
	{"storage", func(c *config.Config) any { return &c.Storage.Driver }},
	{"storage.filesystem", func(c *config.Config) any { return &c.Storage.Filesystem }},
	{"storage.s3", func(c *config.Config) any { return &c.Storage.S3 }},
	{"storage.redirect", func(c *config.Config) any { return &c.Storage.Redirect }},
	{"storage.maintenance.readonly", func(c *config.Config) any { return &c.Storage.Maintenance.ReadOnly }},
	{"storage.maintenance.gc.window", func(c *config.Config) any { return &c.Storage.Maintenance.GC.Window }},
}

// keepUntilRestart returns the new configuration with the old values of settings that need a
// restart, and the keys of those that changed.
func keepUntilRestart(was, next *config.Config) (*config.Config, []string) {
	merged := *next
	var restart []string
	for _, f := range fixed {
		old, now := reflect.ValueOf(f.part(was)).Elem(), reflect.ValueOf(f.part(&merged)).Elem()
		if !reflect.DeepEqual(old.Interface(), now.Interface()) {
			restart = append(restart, f.key)
			now.Set(old)
		}
	}
	if was.HTTP.TLS.Enabled() != merged.HTTP.TLS.Enabled() {
		restart = append(restart, "http.tls")
		merged.HTTP.TLS = was.HTTP.TLS
	}
	return &merged, restart
}
