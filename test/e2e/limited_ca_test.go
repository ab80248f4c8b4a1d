package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// limitedJava connects over HTTPS with the JDK's default verification and prints the status.
const limitedJava = `import java.net.URI;
import java.net.http.*;

public class Limited {
	public static void main(String[] args) throws Exception {
		HttpRequest request = HttpRequest.newBuilder(URI.create(args[0])).build();
		System.out.println("status " + HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).statusCode());
	}
}
`

// tlsClients connect to a URL with a CA file as only or additional trust, each in its own way. They
// print "status 200" only after the connection was verified.
var tlsClients = []struct {
	name    string
	connect func(t *testing.T, ca []byte, url string) (out string, err error)
}{
	{"go", func(_ *testing.T, ca []byte, url string) (string, error) {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(ca)
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
		defer transport.CloseIdleConnections()
		answer, err := (&http.Client{Transport: transport, Timeout: patience}).Get(url)
		if err != nil {
			return "", err
		}
		defer answer.Body.Close()
		return fmt.Sprint("status ", answer.StatusCode), nil
	}},
	{"openssl", func(t *testing.T, ca []byte, url string) (string, error) {
		c := trusting(t, "openssl", ca)
		address := strings.TrimSuffix(strings.TrimPrefix(url, "https://"), "/health")
		out, words, err := c.call("", "s_client", "-connect", address, "-servername", "localhost", "-verify_hostname", "localhost",
			"-CAfile", "ca.crt", "-no-CApath", "-no-CAstore", "-x509_strict", "-verify_return_error")
		if strings.Contains(out, "Verify return code: 0 (ok)") {
			out += "status 200"
		}
		return out + words, err
	}},
	{"curl", func(t *testing.T, ca []byte, url string) (string, error) {
		out, words, err := trusting(t, "curl", ca).call("", "-sS", "--cacert", "ca.crt", "-o", "body", "-w", "status %{http_code}", url)
		return out + words, err
	}},
	{"python", func(t *testing.T, ca []byte, url string) (string, error) {
		out, words, err := trusting(t, "python3", ca).call("", "-c", fmt.Sprintf(
			"import ssl, urllib.request as u; print('status', u.urlopen(%q, context=ssl.create_default_context(cafile='ca.crt')).status)", url))
		return out + words, err
	}},
	{"node", func(t *testing.T, ca []byte, url string) (string, error) {
		c := trusting(t, "node", ca)
		c.set("NODE_EXTRA_CA_CERTS", filepath.Join(c.dir, "ca.crt"))
		out, words, err := c.call("", "-e", fmt.Sprintf("require('https').get(%q, r => { console.log('status ' + r.statusCode); r.resume() })", url))
		return out + words, err
	}},
	{"java", func(t *testing.T, ca []byte, url string) (string, error) {
		keytool := trusting(t, "keytool", ca)
		keytool.run("-importcert", "-noprompt", "-alias", "packhouse", "-file", "ca.crt", "-keystore", "trust.p12", "-storepass", "changeit")
		java := newTool(t, "java")
		java.write("Limited.java", []byte(limitedJava))
		out, words, err := java.call("", "-Djavax.net.ssl.trustStore="+filepath.Join(keytool.dir, "trust.p12"),
			"-Djavax.net.ssl.trustStorePassword=changeit", "Limited.java", url)
		return out + words, err
	}},
	{"chromium", func(t *testing.T, ca []byte, url string) (string, error) {
		certutil, browser := trusting(t, "certutil", ca), newTool(t, "chromium")
		home := browser.env[1][len("HOME="):]
		store := filepath.Join(home, ".pki", "nssdb")
		if err := os.MkdirAll(store, 0o700); err != nil {
			t.Fatal(err)
		}
		certutil.run("-d", "sql:"+store, "-N", "--empty-password")
		certutil.run("-d", "sql:"+store, "-A", "-t", "C,,", "-n", "packhouse", "-i", "ca.crt")
		out, words, err := browser.call("", "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
			"--user-data-dir="+filepath.Join(browser.dir, "profile"), "--dump-dom", url)
		if strings.Contains(out, "UP") {
			out += "status 200"
		}
		return out + words, err
	}},
}

// trusting returns a client with the CA in ca.crt, where it runs.
func trusting(t *testing.T, name string, ca []byte) *tool {
	t.Helper()
	c := newTool(t, name)
	c.write("ca.crt", ca)
	return c
}

// TestLimitedCA lets every client connect to a registry whose private CA has name constraints. Each must accept it and, except Java, refuse a server with a certificate that the same CA
// signed, perhaps with a stolen key, for one name outside of them.
func TestLimitedCA(t *testing.T) {
	t.Parallel()
	in := install(t, "--hostname", "localhost", "--san", "registry.example.com", "--ca-permit", "example.com", "--ca-permit", "10.0.0.0/8")
	s := in.serve()
	defer s.stop()
	ca, err := os.ReadFile(in.ca())
	if err != nil {
		t.Fatal(err)
	}
	good := "https://localhost:" + in.port() + "/health"
	allowed := "https://localhost:" + forged(t, in, "localhost") + "/health" // or all servers but the registry would be refused
	bad := "https://localhost:" + forged(t, in, "localhost", "bank.example.org") + "/health"
	for _, c := range tlsClients {
		t.Run(c.name, func(t *testing.T) {
			for server, url := range map[string]string{"the registry": good, "another server": allowed} {
				if out, err := c.connect(t, ca, url); err != nil || !strings.Contains(out, "status 200") {
					t.Errorf("refuses the certificate of %s, which is within the limits: %v\n%s", server, err, out)
				}
			}
			if c.name == "java" {
				return // the JDK ignores the constraints of a trust anchor, see docs/certificates.md
			}
			if out, _ := c.connect(t, ca, bad); strings.Contains(out, "status 200") {
				t.Errorf("accepts a certificate outside the limits:\n%s", out)
			}
		})
	}
}

// forged serves 200 on a port of 127.0.0.1 with a certificate for the names, signed by the CA of the
// installation.
func forged(t *testing.T, in *installation, names ...string) (port string) {
	t.Helper()
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(in.dir, "certs", name))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(data)
		return block.Bytes
	}
	ca, err := x509.ParseCertificate(read("ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	caKey, err := x509.ParsePKCS8PrivateKey(read("ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(4711), Subject: pkix.Name{Organization: []string{"forged"}}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		Handler:   http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"status":"UP"}`) }),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der, ca.Raw}, PrivateKey: key}}},
		ErrorLog:  log.New(t.Output(), "forged: ", 0),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ServeTLS(listener, "", "")
	}()
	t.Cleanup(func() { _ = server.Close(); <-done })
	_, port, _ = net.SplitHostPort(listener.Addr().String())
	return port
}
