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

// accountKey is the entry of the cache with the key of the account.
const accountKey = "acme_account+key"

// authority is the CA behind a directory, and this server's account there.
type authority struct {
	directory string
	email     string
	binding   *acme.ExternalAccountBinding // nil: the CA needs none
	agent     string
	roots     *x509.CertPool // nil: the system's
	cache     Cache
	lease     Lease // for accountLease; nil: nobody else makes the account
	answers   *answers
	log       *slog.Logger

	turn   chan struct{} // taken by whoever looks at client
	client *acme.Client  // with an account; nil: not yet
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

// accountLease is taken for the time in which the account is made. No host is called so.
const accountLease = "_account"

// maxRetries is how often one request is repeated after an answer that says it might help.
const maxRetries = 4

// connect returns a client with an account, which is made where there is none. All names need it, so they wait for one another here, each as
// long as its own order may take.
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

// updateContact tells the CA of another address (RFC 8555, section 7.3.2): to open an account that is there already does not. That it cannot
// be told is no reason to order nothing.
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
		a.log.LogAttrs(ctx, slog.LevelWarn, "the CA was not told of the address of http.tls.letsencrypt.email", slog.String("directory", a.directory), slog.String("reason", reason(err)))
	}
}

// forget makes the next order find its account anew: the CA may have lost it, as those for tests do.
func (a *authority) forget() {
	a.turn <- struct{}{}
	a.client = nil
	<-a.turn
}

// backoff is how long to wait before a request is repeated; 0 is never. Limits of the CA are waited out by the cool-down, not here.
func backoff(n int, _ *http.Request, answer *http.Response) time.Duration {
	if n > maxRetries || answer != nil && answer.StatusCode == http.StatusTooManyRequests {
		return 0
	}
	return time.Second<<(n-1) + jitter(time.Second)
}

// key reads the key of the account, and makes one where there is none. Of the servers that share a cache one does, and the others wait.
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

// readKey reads the key of the account; nil where there is none that is good for anything. damaged is what is there in its place.
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

// makeKey makes a key for an account, unless somebody else has meanwhile. What lies in its place and is none is set aside.
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

// damagedSuffix ends the name under which a damaged entry is kept.
const damagedSuffix = "+damaged"

var errAccountKey = errors.New("read account key from the cache: it holds no private key of an account")

// decodeKey reads PKCS#8, SEC 1 as autocert writes it, and PKCS#1 as it once did.
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
