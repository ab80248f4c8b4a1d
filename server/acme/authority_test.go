package acme

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/acme"

	"packhouse/certgen"
)

// directory is a small ACME server (RFC 8555) that looks for proofs at a Manager, and believes every signature.
type directory struct {
	*httptest.Server
	t  *testing.T
	ca *certgen.Pair

	mu       sync.Mutex
	manager  *Manager // where proofs are looked for; nil: nowhere
	offered  []string
	proves   string          // the kind of challenge that comes through
	limited  bool            // orders are, for an hour
	lost     bool            // the account is, until it is opened anew
	signs    string          // this name in place of the one that was asked; empty: that one
	accounts int             // that were opened
	binding  string          // key ID of the external account that is required; empty: none
	known    map[string]bool // accounts, by their key
	contact  string          // of the last account
	orders   []string        // names
	statuses map[string]string
	chain    []byte
}

func newDirectory(t *testing.T) *directory {
	t.Helper()
	ca, err := certgen.NewCA(certgen.CAOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d := &directory{t: t, ca: ca, offered: []string{http01, tlsALPN01}, proves: tlsALPN01, statuses: map[string]string{}, known: map[string]bool{}}
	d.Server = httptest.NewTLSServer(d)
	t.Cleanup(d.Close)
	return d
}

// manage makes a manager that orders here.
func (d *directory) manage(o Options) *Manager {
	d.t.Helper()
	o.Directory, o.Roots = d.URL+"/dir", x509.NewCertPool()
	o.Roots.AddCert(d.Certificate())
	if o.Email == "" {
		o.Email = "you@example.com"
	}
	m := newManager(d.t, nil, o)
	m.issuer = newAuthority(m, o)
	d.manager = m
	return m
}

func (d *directory) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w.Header().Set("Replay-Nonce", "bm9uY2U")
	answer := func(status int, v any) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	refuse := func(status int, kind, detail string) {
		w.Header().Set("Content-Type", "application/problem+json")
		answer(status, map[string]any{"type": problemPrefix + kind, "detail": detail, "status": status})
	}
	var envelope struct{ Payload, Protected string }
	key := ""
	var asked struct {
		OnlyReturnExisting bool
		Identifiers        []struct{ Value string }
		CSR                string
		Contact            []string

		ExternalAccountBinding *struct{ Protected string }
	}
	if r.Method == http.MethodPost {
		_ = json.NewDecoder(r.Body).Decode(&envelope)
		if raw, err := base64.RawURLEncoding.DecodeString(envelope.Payload); err == nil && len(raw) > 0 {
			_ = json.Unmarshal(raw, &asked)
		}
		var protected struct{ JWK json.RawMessage }
		if raw, err := base64.RawURLEncoding.DecodeString(envelope.Protected); err == nil {
			_ = json.Unmarshal(raw, &protected)
			key = string(protected.JWK)
		}
	}
	n := len(d.orders)
	order := func() map[string]any {
		return map[string]any{
			"status": d.statuses["order"], "authorizations": []string{d.URL + "/authz"}, "finalize": d.URL + "/finalize", "certificate": d.URL + "/cert",
			"identifiers": []map[string]string{{"type": "dns", "value": d.orders[len(d.orders)-1]}},
		}
	}
	switch r.URL.Path {
	case "/dir":
		answer(http.StatusOK, map[string]string{"newNonce": d.URL + "/nonce", "newAccount": d.URL + "/account", "newOrder": d.URL + "/order"})
	case "/nonce":
	case "/account", "/account/1":
		known := d.known[key] || r.URL.Path == "/account/1"
		if d.binding != "" && !known {
			if asked.OnlyReturnExisting {
				refuse(http.StatusBadRequest, "accountDoesNotExist", "who are you")
				return
			}
			if asked.ExternalAccountBinding == nil {
				refuse(http.StatusForbidden, "externalAccountRequired", "customers only, see https://ca.example/eab")
				return
			}
			raw, _ := base64.RawURLEncoding.DecodeString(asked.ExternalAccountBinding.Protected)
			if !strings.Contains(string(raw), `"kid":"`+d.binding+`"`) {
				refuse(http.StatusForbidden, "unauthorized", "the key ID is unknown")
				return
			}
			d.binding += " used up" // once only, as some CAs have it
		}
		switch {
		case asked.OnlyReturnExisting:
		case !known:
			d.accounts, d.lost = d.accounts+1, false
			fallthrough
		case r.URL.Path == "/account/1":
			d.contact, d.known[key] = strings.Join(asked.Contact, " "), true
		}
		w.Header().Set("Location", d.URL+"/account/1")
		status := http.StatusCreated
		if known {
			status = http.StatusOK
		}
		answer(status, map[string]any{"status": "valid", "contact": []string{d.contact}})
	case "/order":
		if d.lost {
			clear(d.known)
			refuse(http.StatusBadRequest, "accountDoesNotExist", "who are you")
			return
		}
		if d.limited {
			w.Header().Set("Retry-After", "3600")
			refuse(http.StatusTooManyRequests, "rateLimited", "too many failed authorizations (5) for \"registry.example.com\" in the last 1h")
			return
		}
		d.orders = append(d.orders, asked.Identifiers[0].Value)
		d.statuses = map[string]string{"order": "pending", "authz": "pending"}
		w.Header().Set("Location", d.URL+"/order/1")
		answer(http.StatusCreated, order())
	case "/order/1":
		answer(http.StatusOK, order())
	case "/authz":
		var challenges []map[string]any
		for _, kind := range d.offered {
			c := map[string]any{"type": kind, "url": d.URL + "/challenge/" + kind, "token": token, "status": "pending"}
			if d.statuses["authz"] == "invalid" && d.statuses["tried"] == kind {
				c["status"], c["error"] = "invalid", map[string]any{"type": problemPrefix + "connection", "detail": "192.0.2.7: Timeout during connect (likely firewall problem)", "status": 400}
			}
			challenges = append(challenges, c)
		}
		answer(http.StatusOK, map[string]any{"status": d.statuses["authz"], "identifier": map[string]string{"type": "dns", "value": d.orders[n-1]}, "challenges": challenges})
	case "/challenge/" + http01, "/challenge/" + tlsALPN01:
		kind := strings.TrimPrefix(r.URL.Path, "/challenge/")
		d.statuses["tried"], d.statuses["authz"] = kind, "invalid"
		if kind == d.proves && d.proven(kind, d.orders[n-1]) {
			d.statuses["authz"], d.statuses["order"] = "valid", "ready"
		}
		answer(http.StatusOK, map[string]string{"type": kind, "url": d.URL + r.URL.Path, "token": token, "status": "processing"})
	case "/finalize":
		d.sign(asked.CSR)
		d.statuses["order"] = "valid"
		w.Header().Set("Location", d.URL+"/order/1")
		answer(http.StatusOK, order())
	case "/cert":
		w.Header().Set("Content-Type", "application/pem-certificate-chain")
		_, _ = w.Write(d.chain)
	default:
		d.t.Errorf("asked for %s", r.URL.Path)
		http.NotFound(w, r)
	}
}

// proven looks for the proof where a CA would.
func (d *directory) proven(kind, name string) bool {
	if kind == tlsALPN01 {
		c, err := d.manager.ChallengeConfig(&tls.ClientHelloInfo{ServerName: name, SupportedProtos: []string{acme.ALPNProto}})
		return err == nil && c != nil
	}
	r := httptest.NewRequest(http.MethodGet, challengePath+token, nil)
	r.Host = name
	w := httptest.NewRecorder()
	d.manager.HTTPHandler("").ServeHTTP(w, r)
	return w.Code == http.StatusOK && strings.HasPrefix(w.Body.String(), token+".")
}

// sign makes the chain for a request, by a CA that has no use for its own key types: the leaf has the key of the request.
func (d *directory) sign(request string) {
	der, err := base64.RawURLEncoding.DecodeString(request)
	if err != nil {
		d.t.Error(err)
		return
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil || csr.CheckSignature() != nil {
		d.t.Errorf("request: %v", err)
		return
	}
	names := csr.DNSNames
	if d.signs != "" {
		names = []string{d.signs}
	}
	template := &x509.Certificate{SerialNumber: d.ca.Leaf().SerialNumber, DNSNames: names, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().AddDate(0, 3, 0)}
	leaf, err := x509.CreateCertificate(nil, template, d.ca.Leaf(), csr.PublicKey, d.ca.Key)
	if err != nil {
		d.t.Error(err)
		return
	}
	d.chain = append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf}), d.ca.CertPEM()...)
}

// order has a manager order its first name, once.
func order(t *testing.T, m *Manager) State {
	t.Helper()
	m.order(t.Context(), t.Context(), m.names[0])
	return m.States()[0]
}

// TestOrders runs orders against a CA that speaks: both challenges, the second where the first fails, the account kept.
func TestOrders(t *testing.T) {
	for _, proves := range []string{tlsALPN01, http01} {
		t.Run(proves, func(t *testing.T) {
			d, cache := newDirectory(t), Directory(t.TempDir())
			d.proves = proves
			s := order(t, d.manage(Options{Cache: cache, HTTP01: true}))
			if s.Leaf == nil || s.Failure != "" || len(s.Chain) != 2 || s.Leaf.CheckSignatureFrom(d.ca.Leaf()) != nil {
				t.Fatalf("%+v", s)
			}
			first := len(d.orders)
			if s := order(t, d.manage(Options{Cache: cache, HTTP01: true})); s.Leaf == nil || len(d.orders) != first+1 {
				t.Errorf("the second certificate took %d orders: %+v", len(d.orders)-first, s)
			}
			if left, err := cache.Get(t.Context(), proofKey(host)); err == nil {
				t.Errorf("left behind: %s", left)
			}
			if d.accounts != 1 || d.contact != "mailto:you@example.com" {
				t.Errorf("%d accounts, the last of %s", d.accounts, d.contact)
			}
		})
	}
}

// TestRefusedOrders: what the CA says is kept, what it counts is counted, and what is no certificate for the name is not taken.
func TestRefusedOrders(t *testing.T) {
	for name, tc := range map[string]struct {
		change         func(*directory)
		http           bool
		says           string
		orders         int
		earlier, later time.Duration // of the next try
	}{
		"one challenge fails":     {func(d *directory) { d.proves = "" }, false, "the CA said: 192.0.2.7: Timeout during connect (likely firewall problem) (connection)", 1, 10 * time.Minute, 12 * time.Minute},
		"both challenges fail":    {func(d *directory) { d.proves = "" }, true, "and: 192.0.2.7", 2, 20 * time.Minute, 23 * time.Minute},
		"too many":                {func(d *directory) { d.limited = true }, true, "too many failed authorizations (5)", 0, time.Hour - time.Minute, time.Hour + time.Minute},
		"not offered":             {func(d *directory) { d.offered = []string{"dns-01"} }, true, "does not offer the challenge tls-alpn-01", 2, time.Minute, 2 * time.Minute},
		"only HTTP-01 is offered": {func(d *directory) { d.offered, d.proves = []string{http01}, http01 }, true, "", 2, 0, 0},
		"a wrong name":            {func(d *directory) { d.signs = "other.example.com" }, false, "other.example.com", 1, 10 * time.Minute, 12 * time.Minute},
		"nobody there":            {func(d *directory) { d.Close() }, false, "refused", 0, time.Minute, 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDirectory(t)
			m := d.manage(Options{Cache: Directory(t.TempDir()), HTTP01: tc.http})
			tc.change(d)
			s := order(t, m)
			if !strings.Contains(s.Failure, tc.says) || len(d.orders) != tc.orders || (s.Leaf == nil) != (tc.says != "") {
				t.Errorf("%d orders, %q, %v", len(d.orders), s.Failure, s.Leaf != nil)
			}
			if wait := s.NextTry.Sub(s.FailedAt); tc.says != "" && (wait < tc.earlier || wait > tc.later) {
				t.Errorf("next try after %s", wait)
			}
		})
	}
}

// TestLostAccount: a CA that has forgotten the account, as one in memory does, is asked for a new one with the next order.
func TestLostAccount(t *testing.T) {
	d := newDirectory(t)
	m := d.manage(Options{Cache: Directory(t.TempDir())})
	if s := order(t, m); s.Leaf == nil {
		t.Fatal(s.Failure)
	}
	d.lost = true
	if s := order(t, m); !strings.Contains(s.Failure, "who are you") {
		t.Errorf("%+v", s)
	}
	if s := order(t, m); s.Failure != "" || d.accounts != 2 {
		t.Errorf("%d accounts, %s", d.accounts, s.Failure)
	}
}

// TestContact: another address of http.tls.letsencrypt.email reaches the CA with the next start, without another account.
func TestContact(t *testing.T) {
	d, cache := newDirectory(t), Directory(t.TempDir())
	for _, email := range []string{"you@example.com", "others@example.com", "others@example.com"} {
		if s := order(t, d.manage(Options{Cache: cache, Email: email})); s.Failure != "" || d.contact != "mailto:"+email {
			t.Errorf("%s: the CA knows %s; %s", email, d.contact, s.Failure)
		}
	}
	if d.accounts != 1 {
		t.Errorf("%d accounts", d.accounts)
	}
}

// TestDamagedAccountKey: another account is opened, and what was there is kept.
func TestDamagedAccountKey(t *testing.T) {
	for _, content := range []string{"", "-----BEGIN EC PRIVATE KEY-----\n"} {
		d, cache := newDirectory(t), Directory(t.TempDir())
		if err := cache.Put(t.Context(), accountKey, []byte(content)); err != nil {
			t.Fatal(err)
		}
		s := order(t, d.manage(Options{Cache: cache}))
		kept, err := cache.Get(t.Context(), accountKey+damagedSuffix)
		if s.Failure != "" || d.accounts != 1 || err != nil || string(kept) != content {
			t.Errorf("%q: %s; kept %q, %v", content, s.Failure, kept, err)
		}
	}
}

// TestOneAccount: servers that begin together on an empty cache, with several names each, open one account.
func TestOneAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket()
		b.slowDown(300 * time.Millisecond)
		keys := make(chan any, 20)
		for range 4 {
			r := &replica{bucket: b}
			a := newAuthority(newManager(t, nil, Options{Cache: r, Lease: r.take}), Options{Cache: r, Lease: r.take})
			go func() {
				key, err := a.key(t.Context())
				if err != nil {
					t.Error(err)
					keys <- nil
					return
				}
				keys <- *key.Public().(*ecdsa.PublicKey)
			}()
		}
		first := (<-keys).(ecdsa.PublicKey)
		for range 3 {
			if other := (<-keys).(ecdsa.PublicKey); !first.Equal(&other) {
				t.Error("two accounts")
			}
		}
	})
}

// FuzzReason: whatever a CA says, what people are shown is printable and short.
func FuzzReason(f *testing.F) {
	f.Add("dns", "no such name\x1b[2J\r\nlevel=INFO", 400)
	f.Fuzz(func(t *testing.T, kind, detail string, status int) {
		err := fmt.Errorf("place order: %w", &acme.AuthorizationError{Errors: []error{&acme.Error{ProblemType: problemPrefix + kind, Detail: detail, StatusCode: status}}})
		said := reason(err)
		if len(said) > maxReason+len("…") || strings.ContainsFunc(said, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x202e }) {
			t.Errorf("%q", said)
		}
		_, _ = heard(err), patience(err)
	})
}

// TestExternalAccount has a CA that opens accounts for its customers only, and accepts each key ID once.
func TestExternalAccount(t *testing.T) {
	d, cache := newDirectory(t), Directory(t.TempDir())
	d.binding = "kid-1"
	s := order(t, d.manage(Options{Cache: Directory(t.TempDir())}))
	if s.Problem != "externalAccountRequired" || !strings.Contains(s.Failure, "customers only, see https://ca.example/eab") {
		t.Errorf("without an account: %+v", s)
	}
	s = order(t, d.manage(Options{Cache: Directory(t.TempDir()), EABKeyID: "other", EABKey: []byte("key")}))
	if s.Problem != "unauthorized" || !strings.Contains(s.Failure, "the key ID is unknown") {
		t.Errorf("with another account: %+v", s)
	}
	for range 2 { // the second time the account exists
		if s = order(t, d.manage(Options{Cache: cache, EABKeyID: "kid-1", EABKey: []byte("key")})); s.Leaf == nil || s.Failure != "" || s.Problem != "" {
			t.Errorf("with the account: %+v", s)
		}
	}
	if d.accounts != 1 {
		t.Errorf("%d accounts", d.accounts)
	}
}
