package acme

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/crypto/acme"

	"packhouse/certgen"
)

// answers are what a CA that looks for a proof is shown. They lie in the cache too, so that any of the servers that share it can answer.
type answers struct {
	cache Cache
	hosts map[string]bool

	mu     sync.Mutex
	proofs map[string]*tls.Certificate // host → certificate for TLS-ALPN-01
	tokens map[string]string           // token → answer for HTTP-01
}

func newAnswers(cache Cache, hosts []string) *answers {
	a := &answers{cache: cache, hosts: map[string]bool{}, proofs: map[string]*tls.Certificate{}, tokens: map[string]string{}}
	for _, h := range hosts {
		a.hosts[h] = true
	}
	return a
}

// Entries of the cache, under the names that autocert gives them.
func proofKey(host string) string  { return host + "+token" }
func tokenKey(token string) string { return token + "+http-01" }

// answer is one that was put up.
type answer struct {
	remove func(context.Context)
}

// put makes the answer to a challenge and puts it where it is looked for.
func (a *answers) put(ctx context.Context, client *acme.Client, host string, challenge *acme.Challenge) (answer, error) {
	if challenge.Type == http01 {
		if !validToken(challenge.Token) {
			return answer{}, fmt.Errorf("the CA gives no valid token: %q", challenge.Token)
		}
		said, err := client.HTTP01ChallengeResponse(challenge.Token)
		if err != nil {
			return answer{}, err
		}
		return a.show(ctx, tokenKey(challenge.Token), []byte(said), func() { a.tokens[challenge.Token] = said }, func() { delete(a.tokens, challenge.Token) })
	}
	proof, err := client.TLSALPN01ChallengeCert(challenge.Token, host)
	if err != nil {
		return answer{}, err
	}
	data, err := encodeProof(&proof)
	if err != nil {
		return answer{}, err
	}
	return a.show(ctx, proofKey(host), data, func() { a.proofs[host] = &proof }, func() { delete(a.proofs, host) })
}

func (a *answers) show(ctx context.Context, key string, data []byte, set, unset func()) (answer, error) {
	if err := a.cache.Put(ctx, key, data); err != nil {
		return answer{}, err
	}
	a.mu.Lock()
	set()
	a.mu.Unlock()
	return answer{remove: func(ctx context.Context) {
		a.mu.Lock()
		unset()
		a.mu.Unlock()
		_ = a.cache.Delete(ctx, key) // left over it proves nothing to anybody
	}}, nil
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
func (a *answers) proof(ctx context.Context, host string) *tls.Certificate {
	if !a.hosts[host] {
		return nil
	}
	a.mu.Lock()
	proof := a.proofs[host]
	a.mu.Unlock()
	if proof != nil {
		return proof
	}
	data, err := a.cache.Get(ctx, proofKey(host))
	if err != nil {
		return nil
	}
	p, err := decodePair(data)
	if err != nil {
		return nil
	}
	return served(p)
}

// token returns the answer to a token; empty where there is none.
func (a *answers) token(ctx context.Context, token string) string {
	if !validToken(token) {
		return ""
	}
	a.mu.Lock()
	said := a.tokens[token]
	a.mu.Unlock()
	if said != "" {
		return said
	}
	data, err := a.cache.Get(ctx, tokenKey(token))
	if err != nil {
		return ""
	}
	return string(data)
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
	proof := m.answers.proof(hello.Context(), normal(hello.ServerName))
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
			said := m.answers.token(r.Context(), token)
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
