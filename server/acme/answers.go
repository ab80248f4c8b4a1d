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

// answers are what a CA that looks for a proof is shown. They lie in the cache too, so that any of the servers that share it can answer.
type answers struct {
	cache  Cache
	now    func() time.Time
	hosts  map[string]bool
	settle time.Duration // for how long what others put up is believed without another look, and how long it takes until all know; 0: no time

	mu     sync.Mutex
	proofs map[string]*tls.Certificate // host → certificate for TLS-ALPN-01
	tokens map[string]string           // host → answer for HTTP-01
	looked map[string]*looked          // key → what was found there last
}

// looked is what was found in the cache, and when.
type looked struct {
	turn chan struct{} // taken by who looks
	at   time.Time
	data []byte // nil: nothing
}

const (
	answerSettle = time.Second                   // what strangers may cost a cache elsewhere: a look for each name in this time
	answerLookup = 5 * time.Second               // for one look: a CA waits no longer
	answerLife   = orderTimeout + 10*time.Minute // with room for clocks that differ
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

// Entries of the cache. The first is autocert's. The other is called by its host, and not by the token as autocert's is: strangers can ask
// for any token, and for few hosts.
func proofKey(host string) string { return host + "+token" }
func tokenKey(host string) string { return host + "+http-01" }

// httpAnswer is the entry of the cache for HTTP-01.
type httpAnswer struct {
	Answer  string    `json:"answer"`
	Expires time.Time `json:"expires"`
}

// answer is one that was put up.
type answer struct {
	remove func(context.Context)
}

// put makes the answer to a challenge, puts it where it is looked for, and returns when everybody who looks there finds it.
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

// template is what the certificate of a proof says beside the proof: until when it counts.
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
		_ = a.cache.Delete(ctx, key) // left over it proves nothing to anybody
	}}
	if a.settle > 0 && !sleep(ctx, a.settle) { // who looked a moment ago and found nothing looks again
		shown.remove(context.WithoutCancel(ctx))
		return answer{}, ctx.Err()
	}
	return shown, nil
}

// clear removes what an order that was broken off left behind.
func (a *answers) clear(ctx context.Context, host string) {
	for _, key := range []string{proofKey(host), tokenKey(host)} {
		_ = a.cache.Delete(ctx, key) // it runs out by itself
	}
}

// look finds what another server put up; nil: nothing. Strangers make it look: it does so once in a.settle, for one of them at a time, and
// to the end though they leave.
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
	l.at = began // what was put up since then has to be found
	if err != nil && !errors.Is(err, ErrCacheMiss) {
		l.at = time.Now() // many may be waiting for their turn
	}
	return l.data
}

// validToken holds a token to what RFC 8555, section 8.3, allows it to be. It becomes a part of a path.
func validToken(token string) bool {
	if len(token) < 16 || len(token) > 128 {
		return false
	}
	return strings.IndexFunc(token, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	}) < 0
}

// proof returns the certificate that a CA wants to see for a name; nil where nobody ordered one.
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

// token returns the answer to a token for a name; empty where there is none.
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

// ChallengeConfig is for the GetConfigForClient of a server. For a CA that looks for the proof of TLS-ALPN-01 (RFC 8737) it returns what to
// show; for everybody else nil.
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

// challengePath is where HTTP-01 looks (RFC 8555, section 8.3).
const challengePath = "/.well-known/acme-challenge/"

// HTTPHandler answers on the port that the CA reaches as 80: challenges of HTTP-01, and a redirect to the same address under base
// ("https://registry.example.com:5000", empty: https and the name that was asked) for everything else that may be redirected. Hosts that
// no certificate is ordered for get nothing.
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

// withoutPort strips the port of a Host header: CAs for tests send theirs.
func withoutPort(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

// normal is the form in which names are compared.
func normal(host string) string { return strings.TrimSuffix(strings.ToLower(host), ".") }
