package certificates

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"packhouse/certgen"
	"packhouse/server/acme"
	"packhouse/server/config"
	"packhouse/server/connection"
	"packhouse/server/storage"
	"packhouse/server/storage/drivers"
	"packhouse/trust"
)

// orderLease is the prefix of the names of ACME leases in a shared store.
const orderLease = "acme-"

// ErrNoCache means that neither a directory nor the storage can hold the certificates.
var ErrNoCache = errors.New("the storage keeps no certificates (http.tls.letsencrypt.cachefile): name a directory")

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

// OpenCache opens the ACME cache of a configuration (http.tls.letsencrypt.cachefile) for
// reading. It does not need or affect a running server.
func OpenCache(ctx context.Context, c *config.Config) (acme.Cache, error) {
	if dir := c.CertificateDirectory(); dir != "" {
		return acme.Directory(dir), nil
	}
	if c.Storage.Driver != config.S3 {
		return nil, ErrNoCache
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
		lease := func(ctx context.Context, what string) (context.Context, func(), bool, error) {
			return shared.Lease(ctx, orderLease+what)
		}
		return recordCache{shared.Records(folder)}, lease, nil
	case c.Storage.Driver == config.Filesystem && readOnly:
		return acme.Directory(c.CertificateDirectory()), acme.Follow, nil
	case c.Storage.Driver == config.Filesystem:
		return acme.Directory(c.CertificateDirectory()), nil, nil
	}
	return nil, nil, ErrNoCache
}

// newManager creates the ACME certificate manager (http.tls.letsencrypt).
func newManager(
	ctx context.Context, c *config.Config, store storage.Store, now func() time.Time, log *slog.Logger,
) (*acme.Manager, error) {
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

// Challenges configures the listener for ACME challenges over HTTP.
type Challenges struct {
	Address  string // "": none
	Base     string // URL to which other requests are redirected; "": https and the requested host
	Limit    func(net.Listener) *connection.Listener
	ErrorLog *log.Logger
}

// StartOrders starts ordering certificates and, if an address is configured, answering HTTP
// challenges. The returned function stops the latter. If the address cannot be bound, only
// TLS-ALPN-01 is available.
func (cs *Manager) StartOrders(ctx context.Context, group *sync.WaitGroup, o Challenges) (stop func(), err error) {
	stop = func() {}
	if cs.acme == nil {
		return stop, nil
	}
	if o.Address != "" {
		var l net.Listener
		if l, err = net.Listen("tcp", o.Address); err == nil {
			stop = cs.answerChallenges(l, group, o)
		}
	}
	group.Go(func() { cs.acme.Run(ctx) })
	return stop, err
}

// maxChallengeHeader is the maximum size of the headers of a request to the challenge port in
// bytes, and challengeTimeout the maximum time for the whole request.
const (
	maxChallengeHeader = 8 << 10
	challengeTimeout   = 10 * time.Second
)

// answerChallenges serves the port that the CA reaches as 80.
func (cs *Manager) answerChallenges(l net.Listener, group *sync.WaitGroup, o Challenges) (stop func()) {
	h := &http.Server{
		Handler: cs.acme.HTTPHandler(o.Base), ErrorLog: o.ErrorLog, MaxHeaderBytes: maxChallengeHeader,
		ReadTimeout: challengeTimeout, WriteTimeout: challengeTimeout, IdleTimeout: challengeTimeout,
	}
	limited := o.Limit(l)
	limited.Serve(h)
	cs.log.Info("challenges over HTTP are answered", "address", l.Addr().String())
	group.Go(func() {
		if err := h.Serve(limited); err != nil && !errors.Is(err, http.ErrServerClosed) {
			cs.log.Error("challenges over HTTP are not answered any more", "error", err)
		}
	})
	return func() { _ = h.Close() } // there are no requests worth draining
}

// Orders reports whether the certificates come from an ACME directory.
func (cs *Manager) Orders() bool { return cs.acme != nil }

// States returns the state of the certificate of each ordered name.
func (cs *Manager) States() []acme.State { return cs.acme.States() }

// OrderFaults returns the names that have no certificate, or whose renewal failed.
func (cs *Manager) OrderFaults() []string {
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
