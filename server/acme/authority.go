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
	"net/http"
	"sync"
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
	agent     string
	roots     *x509.CertPool // nil: the system's
	cache     Cache
	answers   *answers

	mu     sync.Mutex
	client *acme.Client // with an account; nil: not yet
}

// maxRetries is how often one request is repeated after an answer that says it might help.
const maxRetries = 4

// connect returns a client with an account, which is made where there is none.
func (a *authority) connect(ctx context.Context) (*acme.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
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
	account := new(acme.Account)
	if a.email != "" {
		account.Contact = []string{"mailto:" + a.email}
	}
	if _, err := client.Register(ctx, account, acme.AcceptTOS); err != nil && !errors.Is(err, acme.ErrAccountAlreadyExists) {
		return nil, fmt.Errorf("open account at %s: %w", a.directory, err)
	}
	a.client = client
	return client, nil
}

// forget makes the next order find its account anew: the CA may have lost it, as those for tests do.
func (a *authority) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.client = nil
}

// backoff is how long to wait before a request is repeated; 0 is never. Limits of the CA are waited out by the cool-down, not here.
func backoff(n int, _ *http.Request, answer *http.Response) time.Duration {
	if n > maxRetries || answer != nil && answer.StatusCode == http.StatusTooManyRequests {
		return 0
	}
	return time.Second<<(n-1) + jitter(time.Second)
}

// key reads the key of the account, and makes one where there is none.
func (a *authority) key(ctx context.Context) (crypto.Signer, error) {
	data, err := a.cache.Get(ctx, accountKey)
	if err == nil {
		return decodeKey(data)
	}
	if !errors.Is(err, ErrCacheMiss) {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make account key: %w", err)
	}
	data, err = (&certgen.Pair{Key: key}).KeyPEM()
	if err != nil {
		return nil, err
	}
	if err := a.cache.Put(ctx, accountKey, data); err != nil {
		return nil, err
	}
	return key, nil
}

var errAccountKey = errors.New("read account key from the cache: it holds no private key of an account")

// decodeKey reads PKCS#8, and SEC 1 as autocert writes it.
func decodeKey(data []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errAccountKey
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if signer, ok := key.(crypto.Signer); ok && err == nil {
		return signer, nil
	}
	return nil, errAccountKey
}
