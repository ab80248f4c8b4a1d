package acme

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"

	"packhouse/certgen"
)

// answers holds the challenge responses to present to a CA. They are also stored in the cache, so
// that any server sharing it can respond.
type answers struct {
	cache  Cache
	now    func() time.Time
	hosts  map[string]bool
	settle time.Duration // how long lookups are cached, and how long to wait for other servers to see an answer

	mu     sync.Mutex
	proofs map[string]*tls.Certificate // host → certificate for TLS-ALPN-01
	tokens map[string]string           // host → answer for HTTP-01
	looked map[string]*looked          // key → last cache lookup
}

// looked is the result of a cache lookup.
type looked struct {
	turn chan struct{} // holds a value during a lookup
	at   time.Time
	data []byte // nil: not found
}

const (
	answerSettle = time.Second                   // limits lookups caused by strangers to one per name in this time
	answerLookup = 5 * time.Second               // for one lookup: a CA waits no longer
	answerLife   = orderTimeout + 10*time.Minute // allows for clock differences
)

func newAnswers(cache Cache, hosts []string, now func() time.Time, shared bool) *answers {
	a := &answers{cache: cache, now: now, hosts: map[string]bool{}, proofs: map[string]*tls.Certificate{}, tokens: map[string]string{}, looked: map[string]*looked{}}
	for _, h := range hosts {
		a.hosts[h] = true
		for _, key := range []string{proofKey(h), tokenKey(h)} {
			a.looked[key] = &looked{turn: make(chan struct{}, 1)}
		}
	}
	if shared {
		a.settle = answerSettle
	}
	return a
}

// Cache keys. The first is autocert's. The second uses the host, unlike autocert's, which uses the
// token: strangers can request any token, but only few hosts.
func proofKey(host string) string { return host + "+token" }
func tokenKey(host string) string { return host + "+http-01" }

// httpAnswer is the cache entry for an HTTP-01 answer.
type httpAnswer struct {
	Answer  string    `json:"answer"`
	Expires time.Time `json:"expires"`
}

// answer is a published challenge answer.
type answer struct {
	remove func(context.Context)
}

// put creates the answer to a challenge, publishes it, and returns once every server sharing the
// cache can find it.
func (a *answers) put(ctx context.Context, client *acme.Client, host string, challenge *acme.Challenge) (answer, error) {
	if challenge.Type == http01 {
		if !validToken(challenge.Token) {
			return answer{}, fmt.Errorf("the CA gives no valid token: %q", challenge.Token)
		}
		said, err := client.HTTP01ChallengeResponse(challenge.Token)
		if err != nil {
			return answer{}, err
		}
		data, err := json.Marshal(httpAnswer{Answer: said, Expires: a.now().Add(answerLife).UTC()})
		if err != nil {
			return answer{}, err
		}
		return a.show(ctx, tokenKey(host), data, func() { a.tokens[host] = said }, func() { delete(a.tokens, host) })
	}
	proof, err := client.TLSALPN01ChallengeCert(challenge.Token, host, acme.WithTemplate(a.template()))
	if err != nil {
		return answer{}, err
	}
	data, err := encodeProof(&proof)
	if err != nil {
		return answer{}, err
	}
	return a.show(ctx, proofKey(host), data, func() { a.proofs[host] = &proof }, func() { delete(a.proofs, host) })
}

// template returns the certificate template for a TLS-ALPN-01 proof, which sets its validity
// period.
func (a *answers) template() *x509.Certificate {
	now := a.now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(answerLife), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
}

func (a *answers) show(ctx context.Context, key string, data []byte, set, unset func()) (answer, error) {
	if err := a.cache.Put(ctx, key, data); err != nil {
		return answer{}, err
	}
	a.mu.Lock()
	set()
	a.mu.Unlock()
	shown := answer{remove: func(ctx context.Context) {
		a.mu.Lock()
		unset()
		a.mu.Unlock()
		_ = a.cache.Delete(ctx, key) // an outdated answer is harmless
	}}
	if a.settle > 0 && !sleep(ctx, a.settle) { // lets negative lookups on other servers expire
		shown.remove(context.WithoutCancel(ctx))
		return answer{}, ctx.Err()
	}
	return shown, nil
}

// clear removes the answers of an interrupted order.
func (a *answers) clear(ctx context.Context, host string) {
	for _, key := range []string{proofKey(host), tokenKey(host)} {
		_ = a.cache.Delete(ctx, key) // it expires anyway
	}
}

// look returns the answer published by another server, or nil. Because strangers can trigger it, it
// runs at most once per a.settle, one lookup at a time, and is not canceled when the client
// disconnects.
func (a *answers) look(key string) []byte {
	l := a.looked[key]
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	began := time.Now()
	if a.settle > 0 && began.Sub(l.at) < a.settle {
		return l.data
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerLookup)
	defer cancel()
	var err error
	if l.data, err = a.cache.Get(ctx, key); err != nil {
		l.data = nil
	}
	l.at = began // so that anything published since then is found
	if err != nil && !errors.Is(err, ErrCacheMiss) {
		l.at = time.Now() // many requests may be waiting
	}
	return l.data
}

// validToken reports whether a token has the form that RFC 8555, section 8.3, requires. It becomes
// part of a path.
func validToken(token string) bool {
	if len(token) < 16 || len(token) > 128 {
		return false
	}
	return strings.IndexFunc(token, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	}) < 0
}

// proof returns the TLS-ALPN-01 certificate for a host, or nil if no order is in progress.
func (a *answers) proof(host string) *tls.Certificate {
	if !a.hosts[host] {
		return nil
	}
	a.mu.Lock()
	proof := a.proofs[host]
	a.mu.Unlock()
	if proof != nil {
		return proof
	}
	p, err := decodePair(a.look(proofKey(host)))
	if err != nil || a.now().After(p.Leaf().NotAfter) {
		return nil
	}
	return served(p)
}

// token returns the HTTP-01 answer for a host and token, or "" if there is none.
func (a *answers) token(host, token string) string {
	if !a.hosts[host] || !validToken(token) {
		return ""
	}
	a.mu.Lock()
	said := a.tokens[host]
	a.mu.Unlock()
	if !strings.HasPrefix(said, token+".") {
		var shared httpAnswer
		if err := json.Unmarshal(a.look(tokenKey(host)), &shared); err != nil || a.now().After(shared.Expires) {
			return ""
		}
		said = shared.Answer
	}
	if !strings.HasPrefix(said, token+".") { // RFC 8555, section 8.1
		return ""
	}
	return said
}

func encodeProof(proof *tls.Certificate) ([]byte, error) {
	leaf, err := x509.ParseCertificate(proof.Certificate[0])
	if err != nil {
		return nil, err
	}
	key, ok := proof.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, errNoKeyFirst
	}
	return encodePair(&certgen.Pair{Chain: []*x509.Certificate{leaf}, Key: key})
}

var errNoChallenge = errors.New("no certificate is being ordered for this name")

// ChallengeConfig is for tls.Config.GetConfigForClient. For a CA that validates TLS-ALPN-01 (RFC
// 8737), it returns the config with the proof; for any other client, nil.
func (m *Manager) ChallengeConfig(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if len(hello.SupportedProtos) != 1 || hello.SupportedProtos[0] != acme.ALPNProto {
		return nil, nil //nolint:nilnil // not a challenge
	}
	proof := m.answers.proof(normal(hello.ServerName))
	if proof == nil {
		return nil, errNoChallenge
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{acme.ALPNProto}, Certificates: []tls.Certificate{*proof}}, nil
}

// challengePath is the path prefix for HTTP-01 (RFC 8555, section 8.3).
const challengePath = "/.well-known/acme-challenge/"

// HTTPHandler serves the port that the CA reaches as 80. It answers HTTP-01 challenges and
// redirects other GET and HEAD requests to the same path under base
// ("https://registry.example.com:5000"; if empty, https and the requested host). Hosts without a
// certificate to order get a 404.
func (m *Manager) HTTPHandler(base string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := normal(withoutPort(r.Host))
		if !m.answers.hosts[host] {
			http.Error(w, "no such host here", http.StatusNotFound)
			return
		}
		if token, ok := strings.CutPrefix(r.URL.Path, challengePath); ok {
			said := m.answers.token(host, token)
			if said == "" {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Header().Set("X-Content-Type-Options", "nosniff")
			_, _ = w.Write([]byte(said)) //nolint:gosec // no page; a CA that left asks again
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.Error(w, "use https:// in the address of the registry", http.StatusBadRequest)
			return
		}
		target := base
		if target == "" {
			target = "https://" + host
		}
		http.Redirect(w, r, strings.TrimSuffix(target, "/")+r.URL.RequestURI(), http.StatusTemporaryRedirect) //nolint:gosec // to one of our own hosts
	})
}

// withoutPort strips the port of a Host header, which test CAs send.
func withoutPort(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

// normal returns a host name in canonical form for comparison.
func normal(host string) string { return strings.TrimSuffix(strings.ToLower(host), ".") }
