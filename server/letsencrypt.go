package server

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packhouse/certgen"
	"packhouse/server/acme"
	"packhouse/server/config"
	"packhouse/server/storage"
	"packhouse/server/storage/drivers"
	"packhouse/trust"
)

// orderLease is the prefix of the names of ACME leases in a shared store.
const orderLease = "acme-"

var errNoCache = errors.New("the storage keeps no certificates (http.tls.letsencrypt.cachefile): name a directory")

// recordCache is a certificate cache in a store that several servers share.
type recordCache struct{ storage.Records }

// Get implements acme.Cache.
func (c recordCache) Get(ctx context.Context, key string) ([]byte, error) {
	data, err := c.Records.Get(ctx, key)
	if errors.Is(err, storage.ErrNoRecord) {
		return nil, acme.ErrCacheMiss
	}
	return data, err
}

// CertificateCache opens the ACME cache of a configuration (http.tls.letsencrypt.cachefile) for
// reading. It does not need or affect a running server.
func CertificateCache(ctx context.Context, c *config.Config) (acme.Cache, error) {
	if dir := c.CertificateDirectory(); dir != "" {
		return acme.Directory(dir), nil
	}
	if c.Storage.Driver != config.S3 {
		return nil, errNoCache
	}
	records, err := drivers.OpenRecords(ctx, c, c.HTTP.TLS.LetsEncrypt.StorageFolder())
	if err != nil {
		return nil, err
	}
	return recordCache{records}, nil
}

// orderCache returns the certificate cache, and the lease for servers that share it.
func orderCache(c *config.Config, store storage.Store) (acme.Cache, acme.Lease, error) {
	folder, readOnly := c.HTTP.TLS.LetsEncrypt.StorageFolder(), c.Storage.Maintenance.ReadOnly.Enabled
	shared, able := store.(storage.Shared)
	switch {
	case folder == "":
		return acme.Directory(c.CertificateDirectory()), nil, nil
	case able && readOnly:
		return recordCache{shared.Records(folder)}, acme.Follow, nil
	case able:
		return recordCache{shared.Records(folder)}, func(ctx context.Context, what string) (context.Context, func(), bool, error) {
			return shared.Lease(ctx, orderLease+what)
		}, nil
	case c.Storage.Driver == config.Filesystem && readOnly:
		return acme.Directory(c.CertificateDirectory()), acme.Follow, nil
	case c.Storage.Driver == config.Filesystem:
		return acme.Directory(c.CertificateDirectory()), nil, nil
	}
	return nil, nil, errNoCache
}

// newManager creates the ACME certificate manager (http.tls.letsencrypt).
func newManager(ctx context.Context, c *config.Config, store storage.Store, now func() time.Time, log *slog.Logger) (*acme.Manager, error) {
	l := c.HTTP.TLS.LetsEncrypt
	cache, lease, err := orderCache(c, store)
	if err != nil {
		return nil, fmt.Errorf("order certificates: %w", err)
	}
	o := acme.Options{
		Hosts: l.Hosts, Email: l.Email, Directory: l.DirectoryURL, Cache: cache, Lease: lease, HTTP01: l.HTTPAddr != "",
		UserAgent: "packhouse", Log: log, Now: now,
	}
	if l.EABKeyFile != "" {
		data, err := trust.ReadConfigured(l.EABKeyFile, mostPEM)
		if err != nil {
			return nil, fmt.Errorf("read key of the external account: %w", err)
		}
		if o.EABKey, err = config.ParseEABKey(data); err != nil {
			return nil, fmt.Errorf("read key of the external account %s: %w", l.EABKeyFile, err)
		}
		o.EABKeyID = l.EABKeyID
	}
	if l.CAFile != "" {
		data, err := trust.ReadConfigured(l.CAFile, mostPEM)
		if err != nil {
			return nil, fmt.Errorf("read CA of the ACME directory: %w", err)
		}
		chain, err := certgen.ParseChain(data)
		if err != nil {
			return nil, fmt.Errorf("read CA of the ACME directory %s: %w", l.CAFile, err)
		}
		o.Roots = x509.NewCertPool()
		for _, ca := range chain {
			o.Roots.AddCert(ca)
		}
	}
	return acme.New(ctx, o)
}

// startOrders starts ordering certificates and, if an address is configured, answering HTTP
// challenges. The returned function stops the latter. If the address cannot be bound, only
// TLS-ALPN-01 is available.
func (s *Server) startOrders(ctx context.Context, group *sync.WaitGroup) (stop func(), err error) {
	stop = func() {}
	if s.certs == nil || s.certs.acme == nil {
		return stop, nil
	}
	if address := s.current.Load().config.HTTP.TLS.LetsEncrypt.HTTPAddr; address != "" {
		var l net.Listener
		if l, err = net.Listen("tcp", address); err == nil {
			stop = s.answerChallenges(l, group)
		}
	}
	group.Go(func() { s.certs.acme.Run(ctx) })
	return stop, err
}

// maxChallengeHeader is the maximum size of the headers of a request to the challenge port in
// bytes, and challengeTimeout the maximum time for the whole request.
const (
	maxChallengeHeader = 8 << 10
	challengeTimeout   = 10 * time.Second
)

// answerChallenges serves the port that the CA reaches as 80.
func (s *Server) answerChallenges(l net.Listener, group *sync.WaitGroup) (stop func()) {
	h := &http.Server{
		Handler: s.certs.acme.HTTPHandler(s.publicBase()), ErrorLog: errorLog(s.log), MaxHeaderBytes: maxChallengeHeader,
		ReadTimeout: challengeTimeout, WriteTimeout: challengeTimeout, IdleTimeout: challengeTimeout,
	}
	limited := s.limit(l)
	limited.Serve(h)
	s.log.Info("challenges over HTTP are answered", "address", l.Addr().String())
	group.Go(func() {
		if err := h.Serve(limited); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("challenges over HTTP are not answered any more", "error", err)
		}
	})
	return func() { _ = h.Close() } // there are no requests worth draining
}

// publicBase returns where to redirect clients of the challenge port: http.host if it is an https
// URL; otherwise "", for the requested host.
func (s *Server) publicBase() string {
	if host := s.current.Load().config.HTTP.Host; strings.HasPrefix(host, "https://") {
		return host
	}
	return ""
}

// orderFaults returns the names that have no certificate, or whose renewal failed.
func (cs *certificates) orderFaults() []string {
	if cs.acme == nil {
		return nil
	}
	var faults []string
	for _, state := range cs.acme.States() {
		if fault := state.Fault(); fault != "" {
			faults = append(faults, fault)
		}
	}
	return faults
}

// orderCollector exports the certificate state of each name as metrics.
type orderCollector struct {
	manager                  *acme.Manager
	ends, ok, next, outcomes *prometheus.Desc
}

func newOrderCollector(m *acme.Manager) *orderCollector {
	host := []string{"host"}
	return &orderCollector{
		manager:  m,
		ends:     prometheus.NewDesc("packhouse_acme_certificate_not_after_timestamp_seconds", "End of the certificate of a name; 0 while a stand-in is served.", host, nil),
		ok:       prometheus.NewDesc("packhouse_acme_last_order_successful", "1 unless the last order for a name failed.", host, nil),
		next:     prometheus.NewDesc("packhouse_acme_next_try_timestamp_seconds", "When a name whose order failed is tried again; 0 where none failed.", host, nil),
		outcomes: prometheus.NewDesc("packhouse_acme_orders_total", "Orders since the start, by outcome.", []string{"host", "outcome"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *orderCollector) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.ends, c.ok, c.next, c.outcomes} {
		descriptions <- d
	}
}

// Collect implements prometheus.Collector.
func (c *orderCollector) Collect(values chan<- prometheus.Metric) {
	for _, s := range c.manager.States() {
		ends, next := 0.0, 0.0
		if s.Leaf != nil {
			ends = float64(s.Leaf.NotAfter.Unix())
		}
		if s.Failure != "" {
			next = float64(s.NextTry.Unix())
		}
		values <- prometheus.MustNewConstMetric(c.ends, prometheus.GaugeValue, ends, s.Host)
		values <- prometheus.MustNewConstMetric(c.ok, prometheus.GaugeValue, truth(s.Failure == ""), s.Host)
		values <- prometheus.MustNewConstMetric(c.next, prometheus.GaugeValue, next, s.Host)
		values <- prometheus.MustNewConstMetric(c.outcomes, prometheus.CounterValue, float64(s.Obtained), s.Host, "done")
		values <- prometheus.MustNewConstMetric(c.outcomes, prometheus.CounterValue, float64(s.Failed), s.Host, "failed")
	}
}
