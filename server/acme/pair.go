package acme

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"packhouse/certgen"
)

// A certificate entry of the cache has the private key, then the chain, as in autocert.

var errNoKeyFirst = errors.New("it does not begin with a private key")

func encodePair(p *certgen.Pair) ([]byte, error) {
	key, err := p.KeyPEM()
	if err != nil {
		return nil, err
	}
	return append(key, p.CertPEM()...), nil
}

func decodePair(data []byte) (*certgen.Pair, error) {
	block, chain := pem.Decode(data)
	if block == nil || !strings.Contains(block.Type, "PRIVATE KEY") {
		return nil, errNoKeyFirst
	}
	return certgen.ParsePair(chain, pem.EncodeToMemory(block))
}

// readPair loads the certificate of a name; ErrCacheMiss if there is none.
func readPair(ctx context.Context, c Cache, host string) (*certgen.Pair, error) {
	data, err := c.Get(ctx, host)
	if errors.Is(err, ErrCacheMiss) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnread, err)
	}
	p, err := decodePair(data)
	if err != nil {
		return nil, fmt.Errorf("read certificate of %s: %w: %w", host, errDamaged, err)
	}
	if err := p.Leaf().VerifyHostname(host); err != nil {
		return nil, fmt.Errorf("read certificate of %s: %w: %w", host, errDamaged, err)
	}
	return p, nil
}

// standIn creates the self-signed certificate to serve until one is issued. Its subject explains
// what it is.
func standIn(hosts []string, now time.Time) (*tls.Certificate, error) {
	names, err := certgen.ParseNames(hosts)
	if err != nil {
		return nil, fmt.Errorf("read hosts: %w", err)
	}
	subject, err := certgen.ParseSubject("O=packhouse,OU=stand-in until the ACME directory has signed")
	if err != nil {
		return nil, err
	}
	p, err := certgen.NewSelfSigned(certgen.LeafOptions{Names: names, Subject: subject, Now: now})
	if err != nil {
		return nil, fmt.Errorf("make stand-in certificate: %w", err)
	}
	return served(p), nil
}

// served converts a pair for use in handshakes.
func served(p *certgen.Pair) *tls.Certificate {
	t := p.TLS()
	t.Leaf = p.Leaf()
	return &t
}
