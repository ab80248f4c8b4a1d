package acme

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/acme"

	"packhouse/certgen"
)

// Kinds of challenges.
const (
	tlsALPN01 = "tls-alpn-01"
	http01    = "http-01"
)

// issued is what came of an order.
type issued struct {
	pair      *certgen.Pair
	challenge string // that worked; empty: the CA still believed what was proven before
	refusals  int    // challenges that failed on the way
}

// issue orders a certificate for one name. It tries one kind of challenge after the other, each in an order of its own, since one that
// fails ends its order. Even with an error it tells how many the CA refused.
func (a *authority) issue(ctx context.Context, host string, kinds []string) (issued, error) {
	var result issued
	client, err := a.connect(ctx)
	if err != nil {
		return result, err
	}
	var failures []error
	for _, kind := range kinds {
		order, used, err := a.authorize(ctx, client, host, kind)
		if err == nil {
			result.challenge = used
			if result.pair, err = finish(ctx, client, host, order); err != nil {
				result.refusals++ // a certificate may have been signed, and those are counted
			}
			return result, err
		}
		if errors.Is(err, acme.ErrNoAccount) || problemType(err) == "accountDoesNotExist" {
			a.forget()
		}
		failures = append(failures, err)
		if errors.Is(err, errNotOffered) {
			continue
		}
		if _, refused := errors.AsType[*acme.AuthorizationError](err); !refused {
			break // another kind of challenge is no help
		}
		result.refusals++
	}
	return result, errors.Join(failures...)
}

var errNotOffered = errors.New("the CA does not offer the challenge")

// authorize places an order and proves the name by one kind of challenge. used is empty if nothing had to be proven.
func (a *authority) authorize(ctx context.Context, client *acme.Client, host, kind string) (order *acme.Order, used string, err error) {
	order, err = client.AuthorizeOrder(ctx, acme.DomainIDs(host))
	if err != nil {
		return nil, "", fmt.Errorf("place order: %w", err)
	}
	for _, url := range order.AuthzURLs {
		authorization, err := client.GetAuthorization(ctx, url)
		if err != nil {
			return nil, "", fmt.Errorf("read authorization: %w", err)
		}
		if authorization.Status == acme.StatusValid {
			continue
		}
		if err := a.prove(ctx, client, authorization, host, kind); err != nil {
			if ctx.Err() == nil && errors.Is(err, errNotOffered) {
				_ = client.RevokeAuthorization(ctx, url) // pending ones are limited too; the order is given up anyway
			}
			return nil, "", err
		}
		used = kind
	}
	order, err = client.WaitOrder(ctx, order.URI)
	if err != nil {
		return nil, "", fmt.Errorf("wait for order: %w", err)
	}
	return order, used, nil
}

// prove answers one challenge and waits for the verdict.
func (a *authority) prove(ctx context.Context, client *acme.Client, authorization *acme.Authorization, host, kind string) error {
	i := slices.IndexFunc(authorization.Challenges, func(c *acme.Challenge) bool { return c.Type == kind })
	if i < 0 {
		return fmt.Errorf("%w %s for %s", errNotOffered, kind, host)
	}
	challenge := authorization.Challenges[i]
	put, err := a.answers.put(ctx, client, host, challenge)
	if err != nil {
		return fmt.Errorf("prepare answer to %s: %w", kind, err)
	}
	defer put.remove(context.WithoutCancel(ctx))
	if _, err := client.Accept(ctx, challenge); err != nil {
		return fmt.Errorf("accept %s: %w", kind, err)
	}
	if _, err := client.WaitAuthorization(ctx, authorization.URI); err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	return nil
}

// finish has a new key certified, and looks at what comes back as clients will.
func finish(ctx context.Context, client *acme.Client, host string, order *acme.Order) (*certgen.Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{host}}, key)
	if err != nil {
		return nil, fmt.Errorf("make certificate request: %w", err)
	}
	chain, _, err := client.CreateCertFromOrder(ctx, order, request, true)
	if err != nil {
		return nil, fmt.Errorf("have certificate signed: %w", err)
	}
	pair := &certgen.Pair{Key: key}
	for _, der := range chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("read the certificate that was signed: %w", err)
		}
		pair.Chain = append(pair.Chain, c)
	}
	data, err := encodePair(pair)
	if err != nil {
		return nil, err
	}
	if pair, err = decodePair(data); err != nil { // the key fits, and it can be read again
		return nil, fmt.Errorf("read the certificate that was signed: %w", err)
	}
	if err := pair.Leaf().VerifyHostname(host); err != nil {
		return nil, fmt.Errorf("read the certificate that was signed: %w", err)
	}
	return pair, nil
}
