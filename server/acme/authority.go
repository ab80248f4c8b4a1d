package acme

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"golang.org/x/crypto/acme"

	"packhouse/certgen"
)

// accountKey is the cache key of the account's private key.
const accountKey = "acme_account+key"

// authority is the CA behind a directory and this server's account there.
type authority struct {
	directory string
	email     string
	binding   *acme.ExternalAccountBinding // nil: not required by the CA
	agent     string
	roots     *x509.CertPool // nil: the system's
	cache     Cache
	lease     Lease // for accountLease; nil: no other server creates the account
	answers   *answers
	log       *slog.Logger

	turn   chan struct{} // a mutex for client that can be acquired with a context
	client *acme.Client  // has an account; nil: not connected yet
}

func newAuthority(m *Manager, o Options) *authority {
	a := &authority{
		directory: m.from, email: o.Email, agent: o.UserAgent, roots: o.Roots, cache: o.Cache, lease: o.Lease, answers: m.answers, log: m.log,
		turn: make(chan struct{}, 1),
	}
	if o.EABKeyID != "" {
		a.binding = &acme.ExternalAccountBinding{KID: o.EABKeyID, Key: o.EABKey}
	}
	return a
}

// accountLease is the name of the lease for creating the account. No host has this name.
const accountLease = "_account"

// maxRetries is how often a request is retried after a retryable response.
const maxRetries = 4

// connect returns a client with an account, which it creates if necessary. All names need it, so
// they wait for each other here, each until its own order times out.
func (a *authority) connect(ctx context.Context) (*acme.Client, error) {
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("open account at %s: %w", a.directory, ctx.Err())
	}
	if a.client != nil {
		return a.client, nil
	}
	key, err := a.key(ctx)
	if err != nil {
		return nil, err
	}
	client := &acme.Client{
		Key: key, DirectoryURL: a.directory, UserAgent: a.agent,
		HTTPClient: &http.Client{Timeout: time.Minute, Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: a.roots, MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2: true, IdleConnTimeout: 30 * time.Second,
		}},
		RetryBackoff: backoff,
	}
	if err := a.register(ctx, client); err != nil {
		return nil, fmt.Errorf("open account at %s: %w", a.directory, err)
	}
	a.client = client
	return client, nil
}

// register opens the account of the client's key, unless it exists. Some CAs accept an external
// account once only, so an existing account is looked up without it.
func (a *authority) register(ctx context.Context, client *acme.Client) error {
	account := &acme.Account{ExternalAccountBinding: a.binding}
	if a.email != "" {
		account.Contact = []string{"mailto:" + a.email}
	}
	err := acme.ErrNoAccount
	if a.binding != nil {
		_, err = client.GetReg(ctx, "")
	}
	exists := err == nil
	if errors.Is(err, acme.ErrNoAccount) {
		_, err = client.Register(ctx, account, acme.AcceptTOS)
		exists = errors.Is(err, acme.ErrAccountAlreadyExists)
	}
	if exists {
		a.updateContact(ctx, client, account.Contact)
		return nil
	}
	return err
}

// updateContact updates the contact address of the account (RFC 8555, section 7.3.2), because
// registering an existing account does not. Failing to do so does not prevent orders.
func (a *authority) updateContact(ctx context.Context, client *acme.Client, contact []string) {
	if len(contact) == 0 {
		return
	}
	account, err := client.GetReg(ctx, "")
	if err == nil && !slices.Equal(account.Contact, contact) {
		account.Contact = contact
		_, err = client.UpdateReg(ctx, account)
	}
	if err != nil {
		a.log.LogAttrs(ctx, slog.LevelWarn, "the CA did not store the address in http.tls.letsencrypt.email", slog.String("directory", a.directory), slog.String("reason", reason(err)))
	}
}

// forget makes the next order look up or create the account again, because the CA may have lost it,
// as test CAs do.
func (a *authority) forget() {
	a.turn <- struct{}{}
	a.client = nil
	<-a.turn
}

// backoff returns how long to wait before retrying a request; 0 means never. Rate limits of the CA
// are left to the backoff between orders.
func backoff(n int, _ *http.Request, answer *http.Response) time.Duration {
	if n > maxRetries || answer != nil && answer.StatusCode == http.StatusTooManyRequests {
		return 0
	}
	return time.Second<<(n-1) + jitter(time.Second)
}

// key loads the account key, creating it if necessary. Of the servers sharing a cache, one creates
// it while the others wait.
func (a *authority) key(ctx context.Context) (crypto.Signer, error) {
	for {
		key, _, err := a.readKey(ctx)
		if key != nil || err != nil {
			return key, err
		}
		if a.lease == nil {
			return a.makeKey(ctx)
		}
		held, release, ok, err := a.lease(ctx, accountLease)
		if err != nil {
			return nil, fmt.Errorf("make account key: %w", err)
		}
		if ok {
			defer release()
			return a.makeKey(held)
		}
		if !sleep(ctx, lookAtOrder) {
			return nil, fmt.Errorf("make account key: another server does: %w", ctx.Err())
		}
	}
}

// readKey loads the account key; nil if it is missing or damaged. damaged is the content of a
// damaged entry.
func (a *authority) readKey(ctx context.Context) (key crypto.Signer, damaged []byte, err error) {
	data, err := a.cache.Get(ctx, accountKey)
	switch {
	case errors.Is(err, ErrCacheMiss):
		return nil, nil, nil
	case err != nil:
		return nil, nil, err
	}
	if key, err = decodeKey(data); err != nil {
		return nil, data, nil //nolint:nilerr // it is replaced
	}
	return key, nil, nil
}

// makeKey creates an account key, unless another server has meanwhile. It keeps a copy of a damaged
// entry.
func (a *authority) makeKey(ctx context.Context) (crypto.Signer, error) {
	made, damaged, err := a.readKey(ctx)
	if made != nil || err != nil {
		return made, err
	}
	if damaged != nil {
		a.log.LogAttrs(ctx, slog.LevelWarn, "the account key in the cache of ACME is damaged, another account is opened", slog.String("kept_as", accountKey+damagedSuffix))
		if err := a.cache.Put(ctx, accountKey+damagedSuffix, damaged); err != nil {
			return nil, err
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make account key: %w", err)
	}
	data, err := (&certgen.Pair{Key: key}).KeyPEM()
	if err != nil {
		return nil, err
	}
	if err := a.cache.Put(ctx, accountKey, data); err != nil {
		return nil, err
	}
	return key, nil
}

// damagedSuffix is appended to the key under which a damaged entry is kept.
const damagedSuffix = "+damaged"

var errAccountKey = errors.New("read account key from the cache: it holds no private key of an account")

// decodeKey parses PKCS#8, SEC 1 as written by autocert, and PKCS#1 as written by its old versions.
func decodeKey(data []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errAccountKey
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if signer, ok := key.(crypto.Signer); ok && err == nil {
		return signer, nil
	}
	return nil, errAccountKey
}
