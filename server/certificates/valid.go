package certificates

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"packhouse/certgen"
	"packhouse/server/config"
	"packhouse/trust"
)

// keepsValid returns an error if next would replace a valid certificate with an expired or not yet
// valid one, or client CAs of which one is valid with none that is. If was is nil, as at startup,
// it accepts everything.
func keepsValid(was, next *serving, now time.Time) error {
	if was == nil {
		return nil
	}
	if was.leaf != nil && next.leaf != nil && certgen.ValidAt(was.leaf, now) && !certgen.ValidAt(next.leaf, now) {
		if now.Before(next.leaf.NotBefore) {
			return fmt.Errorf("load certificate %s: it is not valid before %s, and the one in use is valid now",
				next.config.TLS.Certificate, next.leaf.NotBefore.UTC().Format(time.RFC3339))
		}
		return fmt.Errorf("load certificate %s: it expired on %s, and the one in use is valid",
			next.config.TLS.Certificate, next.leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	valid := func(c *x509.Certificate) bool { return certgen.ValidAt(c, now) }
	if slices.ContainsFunc(was.cas, valid) && len(next.cas) > 0 && !slices.ContainsFunc(next.cas, valid) {
		return fmt.Errorf("load client CAs %v: none of them is valid now, and one of those in use is",
			next.config.TLS.ClientCAs)
	}
	return nil
}

// mostPEM is the maximum size of a certificate or key file in bytes.
const mostPEM = 8 << 20

// loadClientCAs loads the CAs for verifying client certificates.
func loadClientCAs(t config.TLS) ([]*x509.Certificate, error) {
	var cas []*x509.Certificate
	for _, path := range t.ClientCAs {
		data, err := trust.ReadConfigured(path, mostPEM)
		if err != nil {
			return nil, fmt.Errorf("read client CA: %w", err)
		}
		chain, err := certgen.ParseChain(data)
		if err != nil {
			return nil, fmt.Errorf("read client CA %s: %w", path, err)
		}
		cas = append(cas, chain...)
	}
	return cas, nil
}
