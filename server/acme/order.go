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

// Challenge types.
const (
	tlsALPN01 = "tls-alpn-01"
	http01    = "http-01"
)

// issued is the result of an order.
type issued struct {
	pair      *certgen.Pair
	challenge string // that succeeded; empty: an existing authorization was still valid
	refusals  int    // failed challenges
}

// issue orders a certificate for one name. It tries one challenge type after another, each in a new
// order, because a failed challenge invalidates its order. Even with an error, the result has the
// number of refusals.
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
				result.refusals++ // a certificate may have been signed, and that counts towards rate limits
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
			break // another challenge type would not help
		}
		result.refusals++
	}
	return result, errors.Join(failures...)
}

var errNotOffered = errors.New("the CA does not offer the challenge")

// authorize places an order and proves control of the name by one challenge type. used is empty if
// no proof was necessary.
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
				_ = client.RevokeAuthorization(ctx, url) // pending ones are rate-limited too
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

// prove answers one challenge and waits for the result.
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

// finish requests a certificate for a new key and verifies it as clients will.
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
	if pair, err = decodePair(data); err != nil { // verifies that the key matches, and that it can be read back
		return nil, fmt.Errorf("read the certificate that was signed: %w", err)
	}
	if err := pair.Leaf().VerifyHostname(host); err != nil {
		return nil, fmt.Errorf("read the certificate that was signed: %w", err)
	}
	return pair, nil
}
