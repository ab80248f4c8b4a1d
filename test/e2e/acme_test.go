package e2e

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Names that certificates are ordered for. They resolve for the CA alone.
const (
	acmeHost   = "registry.acme.example"
	acmeBroken = "broken.acme.example" // resolves to where nobody listens
)

// shortLife is how long a certificate counts that a test sees renewed. That
// begins when a third is left: enough for an order on a machine that is busy.
const shortLife = 2 * time.Minute

// acmeCA is a pebble with its DNS server: a CA that really connects to what it
// certifies.
type acmeCA struct {
	t         *testing.T
	server    *server
	directory string
	manage    string
	caFile    string // of the directory's own certificate
	client    *http.Client
}

// startCA starts a CA that checks TLS-ALPN-01 and HTTP-01 on the ports of these
// addresses and issues certificates with this lifetime. more are further
// settings of pebble.
func startCA(t *testing.T, tlsAddr, httpAddr string, life time.Duration, more ...map[string]any) *acmeCA {
	t.Helper()
	pebble, dns := need(t, "pebble"), need(t, "pebble-challtestsrv")
	dir := t.TempDir()
	dnsAddr, dnsManage := freeAddress(t), freeAddress(t)
	launch(t, nil, dns, "-dnsserver", dnsAddr, "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "",
		"-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-management", dnsManage)
	cert, key := serverCertificate(t, dir)
	listen, manage := freeAddress(t), freeAddress(t)
	settings := map[string]any{
		"listenAddress": listen, "managementListenAddress": manage, "certificate": cert, "privateKey": key,
		"httpPort": portNumber(t, httpAddr), "tlsPort": portNumber(t, tlsAddr), "retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles": map[string]any{"default": map[string]any{"description": "for tests", "validityPeriod": int(life.Seconds())}},
	}
	for _, m := range more {
		maps.Copy(settings, m)
	}
	content, err := json.Marshal(map[string]any{"pebble": settings})
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	config := filepath.Join(dir, "pebble.json")
	if err := os.WriteFile(config, content, 0o600); err != nil {
		t.Fatalf("write configuration of the CA: %v", err)
	}
	ca := &acmeCA{t: t, directory: "https://" + listen + "/dir", manage: "https://" + manage, caFile: cert}
	ca.server = launch(t, []string{"PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0", "PEBBLE_AUTHZREUSE=0"}, pebble, "-config", config, "-dnsserver", dnsAddr)
	trusted, err := os.ReadFile(cert)
	if err != nil {
		t.Fatalf("read certificate: %v", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(trusted)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	ca.client = &http.Client{Transport: transport, Timeout: patience}
	eventually(t, "the CA answers", patience, func() bool { return ca.get(ca.directory) != nil })
	eventually(t, "the DNS server listens", patience, func() bool { // which it does beside its management
		conn, err := net.Dial("tcp", dnsAddr)
		if err != nil {
			return false
		}
		_ = conn.Close()
		return true
	})
	eventually(t, "the DNS server is managed", patience, func() bool {
		body := fmt.Sprintf(`{"host": %q, "addresses": ["127.0.0.97"]}`, acmeBroken)
		answer, err := ca.client.Post("http://"+dnsManage+"/add-a", "application/json", strings.NewReader(body))
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return ca
}

func (ca *acmeCA) get(url string) []byte {
	answer, err := ca.client.Get(url)
	if err != nil {
		return nil
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return nil
	}
	return body
}

// roots are what clients of its certificates trust. They change at every start.
func (ca *acmeCA) roots() *x509.CertPool {
	ca.t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca.get(ca.manage + "/roots/0")) {
		ca.t.Fatal("the CA has no root")
	}
	return pool
}

// orders counts the orders that were placed.
func (ca *acmeCA) orders() int {
	return strings.Count(ca.server.log.String(), "POST /order-plz -> calling handler()")
}

// counts demands as many orders, all of one account: what the CA did is in its
// log a moment later.
func (ca *acmeCA) counts(orders int) {
	ca.t.Helper()
	eventually(ca.t, fmt.Sprintf("%d orders", orders), patience, func() bool {
		return ca.orders() >= orders && ca.accounts() >= 1
	})
	if n, accounts := ca.orders(), ca.accounts(); n != orders || accounts != 1 {
		ca.t.Errorf("%d orders and %d accounts, want %d and 1", n, accounts, orders)
	}
}

// accounts counts the accounts that were opened.
func (ca *acmeCA) accounts() int {
	return strings.Count(ca.server.log.String(), "accounts in memory")
}

// portNumber is the port of an address.
func portNumber(t *testing.T, addr string) int {
	t.Helper()
	resolved, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		t.Fatalf("read address: %v", err)
	}
	return resolved.Port
}

// serverCertificate makes a certificate for 127.0.0.1 and returns its files.
func serverCertificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("make key: %v", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatalf("make certificate: %v", err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatalf("encode key: %v", err)
	}
	cert, key = filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: encoded}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatalf("write: %v", err)
		}
	}
	return cert, key
}

// pollEvery is how often is looked for what other processes bring about.
const pollEvery = 20 * time.Millisecond

// eventually waits for something that other processes bring about.
func eventually(t *testing.T, what string, patience time.Duration, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, patience)
		}
		time.Sleep(pollEvery) // polling: the condition is outside of this process
	}
}

// noMoreOrders waits for orders that must not come: longer than the spread of first orders.
func noMoreOrders(d time.Duration) {
	time.Sleep(d) // there is no event to wait for
}

// says waits until a process has said something in its log: what it did may be
// seen before what it said of it was read.
func (s *server) says(words string) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("log contains %q", words), patience, func() bool {
		return strings.Contains(s.log.String(), words)
	})
}

// ordering is an installation whose certificates come from a CA.
type ordering struct {
	*installation
	httpAddr string // for HTTP-01; empty: off
	cache    string
}

// installOrdering makes an installation and turns it over to a CA. start makes
// the CA, once the addresses are known.
func installOrdering(t *testing.T, withHTTP bool, hosts []string, start func(tlsAddr, httpAddr string) *acmeCA) (*ordering, *acmeCA) {
	t.Helper()
	o := &ordering{installation: install(t, "--tls", "off")}
	o.cache = filepath.Join(o.dir, "le-cache")
	httpAddr := freeAddress(t)
	if withHTTP {
		o.httpAddr = httpAddr
	}
	ca := start(o.addr, httpAddr)
	more := fmt.Sprintf("  tls:\n    letsencrypt:\n      cachefile: le-cache\n      email: you@example.com\n      hosts: [%s]\n      directoryurl: %s\n      cafile: %s\n",
		strings.Join(hosts, ", "), ca.directory, ca.caFile)
	if withHTTP {
		more += "      httpaddr: " + httpAddr + "\n"
	}
	before, err := os.ReadFile(o.configuration())
	if err != nil {
		t.Fatalf("read configuration: %v", err)
	}
	after := bytes.Replace(before, []byte("\nhttp:\n"), []byte("\nhttp:\n"+more), 1)
	if bytes.Equal(before, after) {
		t.Fatalf("no http section in\n%s", before)
	}
	if err := os.WriteFile(o.configuration(), after, 0o600); err != nil {
		t.Fatalf("write configuration: %v", err)
	}
	o.scheme = "https"
	return o, ca
}

// serve starts the server and waits until it accepts connections.
func (o *ordering) serve() *server {
	o.t.Helper()
	s := launch(o.t, o.env, binary(o.t), "serve", o.configuration())
	eventually(o.t, "the server listens", patience, func() bool { return o.leaf(acmeHost) != nil })
	return s
}

// leaf is the certificate that is served for a name, whoever signed it.
func (o *ordering) leaf(host string) *x509.Certificate {
	dialer := tls.Dialer{Config: &tls.Config{ServerName: host, InsecureSkipVerify: true}}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := dialer.DialContext(ctx, "tcp", o.addr)
	if err != nil {
		return nil
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
}

// trusted returns a client that trusts roots alone and finds the host here.
func (o *ordering) trusted(roots *x509.CertPool) *http.Client {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, o.addr)
		},
	}
	return &http.Client{Transport: transport, Timeout: patience}
}

// healthy tells whether a client that trusts roots alone gets an answer.
func (o *ordering) healthy(roots *x509.CertPool) bool {
	answer, err := o.trusted(roots).Get("https://" + acmeHost + "/health")
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// isStandIn tells whether a certificate is the server's own.
func isStandIn(c *x509.Certificate) bool {
	return c != nil && strings.Contains(c.Subject.String(), "stand-in")
}

// TestACMEByTLS: a certificate by TLS-ALPN-01; after a restart it is served at
// once and nothing is ordered; it is renewed under load without a failed
// request.
func TestACMEByTLS(t *testing.T) {
	t.Parallel()
	o, ca := installOrdering(t, false, []string{acmeHost}, func(tlsAddr, httpAddr string) *acmeCA {
		return startCA(t, tlsAddr, httpAddr, shortLife)
	})
	s := o.serve()
	roots := ca.roots()
	eventually(t, "a certificate is ordered and served", 2*time.Minute, func() bool { return o.healthy(roots) })
	ca.counts(1)
	s.says("stand-in certificate is served")
	first := o.leaf(acmeHost)
	s.stop()
	info, err := os.Stat(o.cache)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the cache: %v, %v", info.Mode(), err)
	}

	s = o.serve()
	if again := o.leaf(acmeHost); again == nil || !again.Equal(first) || ca.orders() != 1 {
		t.Errorf("after a restart: another certificate (%v), %d orders", !again.Equal(first), ca.orders())
	}
	eventually(t, "the certificate is renewed", 2*shortLife, func() bool {
		if !o.healthy(roots) {
			t.Fatalf("a request failed around the renewal; the log:\n%s", s.log.tail())
		}
		leaf := o.leaf(acmeHost)
		return leaf != nil && !leaf.Equal(first)
	})
	ca.counts(2)
	s.stop()
}

// TestACMEByHTTP: where the port of TLS is not reached, HTTP-01 is; that port
// answers nothing else, and who comes there with a browser is sent on.
func TestACMEByHTTP(t *testing.T) {
	t.Parallel()
	o, ca := installOrdering(t, true, []string{acmeHost}, func(_, httpAddr string) *acmeCA {
		return startCA(t, freeAddress(t), httpAddr, time.Hour)
	})
	s := o.serve()
	roots := ca.roots()
	eventually(t, "a certificate is ordered and served", 2*time.Minute, func() bool { return o.healthy(roots) })
	ca.counts(2) // one that failed and one by the other challenge
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, tc := range []struct {
		method, host, path string
		status             int
		location           string
	}{
		{http.MethodGet, acmeHost + ":5002", "/packs/?q=a", http.StatusTemporaryRedirect, "https://" + acmeHost + "/packs/?q=a"},
		{http.MethodGet, acmeHost, "/.well-known/acme-challenge/0123456789abcdef0123", http.StatusNotFound, ""},
		{http.MethodGet, acmeHost, "/.well-known/acme-challenge/..%2f..%2fmyconfig.yml", http.StatusNotFound, ""},
		{http.MethodPost, acmeHost, "/v2/", http.StatusBadRequest, ""},
		{http.MethodGet, "elsewhere.example", "/", http.StatusNotFound, ""},
	} {
		request, err := http.NewRequest(tc.method, "http://"+o.httpAddr+tc.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = tc.host
		answer, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != tc.status || answer.Header.Get("Location") != tc.location {
			t.Errorf("%s %s%s: %d %q, want %d %q", tc.method, tc.host, tc.path, answer.StatusCode, answer.Header.Get("Location"), tc.status, tc.location)
		}
	}
	s.stop()
}

// TestACMEBrokenName: a name that the CA cannot reach costs one order, however
// many clients ask for it and however often the server is started; the CA's own
// words are told; the other name is served.
func TestACMEBrokenName(t *testing.T) {
	t.Parallel()
	o, ca := installOrdering(t, false, []string{acmeHost, acmeBroken}, func(tlsAddr, httpAddr string) *acmeCA {
		return startCA(t, tlsAddr, httpAddr, time.Hour)
	})
	began := time.Now()
	s := o.serve()
	roots := ca.roots()
	eventually(t, "the good name has a certificate", 2*time.Minute, func() bool { return o.healthy(roots) })
	eventually(t, "the broken name is told of", 2*time.Minute, func() bool {
		return strings.Contains(s.log.String(), "no certificate from the ACME directory")
	})
	s.says("the CA said: Failed to connect to 127.0.0.97")
	eventually(t, "the certificate is kept", patience, func() bool { // it is served a moment before, and a kill gives no moment
		_, err := os.Stat(filepath.Join(o.cache, acmeHost))
		return err == nil
	})
	ca.counts(2)
	for range 3 {
		for range 50 {
			if leaf := o.leaf(acmeBroken); !isStandIn(leaf) {
				t.Fatalf("served for the broken name: %v", leaf)
			}
		}
		s.kill()
		s = o.serve()
		if !o.healthy(roots) {
			t.Error("the good name is not served after a restart")
		}
		noMoreOrders(3 * time.Second)
	}
	ca.counts(2)
	var remembered struct {
		Refusals int
		Reason   string
		NextTry  time.Time
	}
	data, err := os.ReadFile(filepath.Join(o.cache, acmeBroken+"+packhouse"))
	if err != nil {
		t.Fatalf("read what is remembered: %v", err)
	}
	if err := json.Unmarshal(data, &remembered); err != nil || remembered.Refusals != 1 || remembered.NextTry.Sub(began) < 8*time.Minute || !strings.Contains(remembered.Reason, "Failed to connect") {
		t.Errorf("remembered: %s, %v", data, err)
	}
	s.stop()
	if log := s.log.String(); !strings.Contains(log, "Failed to connect") || !strings.Contains(log, "next_try=") {
		t.Errorf("after a restart the log does not tell why:\n%s", log)
	}
}

// TestACMESetup: setup with nothing but flags orders a certificate and proves
// the installation, before anybody has started a server; the server that is
// started then orders nothing.
func TestACMESetup(t *testing.T) {
	t.Parallel()
	in := &installation{t: t, dir: filepath.Join(t.TempDir(), "installation"), addr: freeAddress(t), scheme: "https", passwords: map[string]string{
		admin: "the quick brown fox 1", writer: "jumps over: the dog", reader: "p\u00e4\u00dfword with \u00fcmlauts",
	}}
	ca := startCA(t, in.addr, freeAddress(t), time.Hour)
	said := in.setup("--hostname", acmeHost, "--tls", "letsencrypt", "--acme-directory", ca.directory, "--acme-ca", ca.caFile, "--acme-email", "you@example.com")
	for _, want := range []string{"\u2713 certificate", "\u2713 round trip", "does not trust who signs"} {
		if !strings.Contains(said, want) {
			t.Errorf("setup does not say %q:\n%s", want, said)
		}
	}
	o := &ordering{installation: in, cache: filepath.Join(in.dir, "le-cache")}
	s := o.serve()
	if !o.healthy(ca.roots()) {
		t.Error("after setup the certificate is not served")
	}
	ca.counts(1)
	s.stop()
}
