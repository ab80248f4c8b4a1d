package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"packhouse/server/certificates"
	"packhouse/server/config"
	"packhouse/server/connection"
	"packhouse/server/maintenance"
	"packhouse/server/observe"
)

// errDrain means that requests were still running at the end of the drain timeout.
var errDrain = errors.New("requests were cut off at the end of http.draintimeout")

// defaultDrain is the drain timeout if the configuration has none.
const defaultDrain = 30 * time.Second

// watchEvery is the interval at which watched files are checked.
const watchEvery = 2 * time.Second

// Listen binds the port. Run does so itself; call Listen to learn the address before the server
// accepts connections.
func (s *Server) Listen() error {
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	if s.life.listener != nil {
		return nil
	}
	l, err := connection.Listen(s.current.Load().config.HTTP)
	if err != nil {
		return err
	}
	s.life.listener = l
	return nil
}

// Addr returns the address of the listener, or nil before Listen.
func (s *Server) Addr() net.Addr {
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	if s.life.listener == nil {
		return nil
	}
	return s.life.listener.Addr()
}

// Run listens and serves until ctx is done or Shutdown is called. It then accepts no more
// connections, waits for running requests and releases the store. It returns an error if the port
// cannot be bound or if running requests were cut off. Call Run at most once; after Shutdown it
// returns nil at once.
func (s *Server) Run(ctx context.Context) error {
	if begun, err := s.begin(); !begun {
		return err
	}
	defer s.release()
	if err := s.Listen(); err != nil {
		return err
	}
	limited := s.limit(s.life.listener)
	h := s.httpServer(limited)

	background, quit := context.WithCancel(context.WithoutCancel(ctx))
	var aside sync.WaitGroup
	defer aside.Wait()
	defer quit()

	s.audit.Write(observe.AuditLine{Event: "start", Outcome: "done"})
	defer s.audit.Write(observe.AuditLine{Event: "stop", Outcome: "done"})
	s.log.Info("listening", "address", s.Addr().String(), "fingerprint", s.Fingerprint())
	stopAdmin := startAdmin(background, s, &aside) // before the listener: a client that got a response may reload
	defer stopAdmin()
	failed := make(chan error, 2)
	go func() { failed <- s.serve(h, limited) }()
	stopDebug, err := observe.ServeDebug(s.current.Load().config.HTTP.Debug, s.metrics.Handler(), s.health.ServeDebug, s.log)
	if err != nil {
		s.log.Error("metrics are not served", "error", err)
	}
	defer stopDebug()
	stopChallenges, err := startOrders(background, s, &aside)
	defer stopChallenges()
	if err != nil {
		s.log.Error("challenges over HTTP are not answered", "error", err)
	}
	aside.Go(func() { s.watch(background) })
	if s.signIns != nil {
		aside.Go(func() { s.auth.Keep(background, s.signIns) })
	}
	if s.notifier != nil {
		aside.Go(func() { s.notifier.Run(background) })
	}
	aside.Go(func() { s.health.Run(background) })
	tasks := maintenance.Tasks{
		Store: s.store, Metrics: s.metrics, Log: s.log,
		Config: func() config.Maintenance { return s.current.Load().config.Storage.Maintenance },
	}
	aside.Go(func() { tasks.Run(background) })
	if s.options.Ready != nil {
		s.options.Ready()
	}

	select {
	case <-ctx.Done():
	case <-s.life.stop:
	case err := <-failed:
		_ = h.Close() // the failure is reported; errors of connections are not
		return fmt.Errorf("serve: %w", err)
	}
	return s.drain(h)
}

var errRunOnce = errors.New("run server: it runs already")

// begin reports whether Run may proceed: not after Shutdown. It returns an error for a second call.
func (s *Server) begin() (bool, error) {
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	select {
	case <-s.life.stop:
		return false, nil
	default:
	}
	if s.life.running {
		return false, errRunOnce
	}
	s.life.running = true
	return true, nil
}

// serve passes the listener to net/http.
func (s *Server) serve(h *http.Server, l net.Listener) error {
	var err error
	if s.certs != nil {
		err = h.ServeTLS(connection.AnswerPlainHTTP(l, func(host string) bool { return s.knownHost(s.current.Load().config, host) }), "", "")
	} else {
		err = h.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// drain stops accepting connections and waits for running requests.
func (s *Server) drain(h *http.Server) error {
	timeout := s.current.Load().config.HTTP.DrainTimeout
	if timeout <= 0 {
		timeout = defaultDrain
	}
	s.log.Info("draining", "timeout", timeout.String())
	if s.options.Draining != nil {
		s.options.Draining(timeout)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := h.Shutdown(ctx); err != nil {
		s.log.Warn("requests were cut off", "after", timeout.String())
		_ = h.Close() // the listener is already closed; errors of connections are not reported
		return fmt.Errorf("stop server: %w", errDrain)
	}
	s.log.Info("stopped")
	return nil
}

// Shutdown ends Run and waits for it. If Run was never called, Shutdown releases the store.
func (s *Server) Shutdown(ctx context.Context) error {
	s.life.mu.Lock()
	s.life.stopping.Do(func() { close(s.life.stop) })
	running := s.life.running
	s.life.running = true
	s.life.mu.Unlock()
	if !running {
		s.release()
		return nil
	}
	select {
	case <-s.life.stopped:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop server: %w", ctx.Err())
	}
}

// release closes what New and Listen opened.
func (s *Server) release() {
	s.life.ending.Do(func() {
		s.life.mu.Lock()
		if s.life.listener != nil {
			_ = s.life.listener.Close() // usually already closed by draining
		}
		s.life.mu.Unlock()
		if s.records != nil {
			s.records.Close() // it reads the store
		}
		if s.notifier != nil { // its queues may be in the store
			if err := s.notifier.Close(); err != nil {
				s.log.Error("notifications did not close cleanly", "error", err)
			}
		}
		if s.store != nil && s.options.Store == nil {
			if err := s.store.Close(); err != nil {
				s.log.Error("the store did not close cleanly", "error", err)
			}
		}
		if s.audit != nil {
			s.audit.Close()
		}
		close(s.life.stopped)
	})
}

// watch checks the files that may change while the server runs.
func (s *Server) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.auth.Refresh()
			if s.certs != nil {
				s.certs.Follow()
				s.certs.Remind()
			}
		}
	}
}

// limit applies the configured connection limit to a listener.
func (s *Server) limit(l net.Listener) *connection.Listener {
	most := s.current.Load().config.HTTP.Limits.Connections
	return connection.Limit(l, most, func(a netip.Addr) bool { return s.current.Load().trusts(a) })
}

// httpServer returns the HTTP server of a listener.
func (s *Server) httpServer(l *connection.Listener) *http.Server {
	st := s.current.Load()
	o := connection.ServerOptions{HTTP: st.config.HTTP, Stall: st.stall, Handler: s, ErrorLog: observe.ErrorLog(s.log)}
	if s.certs != nil {
		o.TLS = s.certs.TLSConfig()
	}
	return connection.NewServer(l, o)
}

// startOrders starts ordering certificates. The returned function stops answering challenges.
func startOrders(ctx context.Context, s *Server, group *sync.WaitGroup) (stop func(), err error) {
	if s.certs == nil {
		return func() {}, nil
	}
	c := s.current.Load().config.HTTP
	return s.certs.StartOrders(ctx, group, certificates.Challenges{
		Address: c.TLS.LetsEncrypt.HTTPAddr, Base: httpsBase(c), Limit: s.limit, ErrorLog: observe.ErrorLog(s.log),
	})
}

// httpsBase returns http.host if it is an https URL, or else "".
func httpsBase(c config.HTTP) string {
	if strings.HasPrefix(c.Host, "https://") {
		return c.Host
	}
	return ""
}
