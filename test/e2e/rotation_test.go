package e2e

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fingerprint is the form in which packhouse and openssl print one.
func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(parts, ":")
}

// TestRotationUnderLoad: while clients that trust the CA of the first day push
// and ask, on connections that stay and on new ones, the certificate is rotated
// again and again, with a new key too. No request fails, and each new
// certificate is served.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	in := install(t)
	s := in.serve()
	pem, err := os.ReadFile(in.ca())
	if err != nil {
		t.Fatalf("read the CA: %v", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)

	ctx, stop := context.WithCancel(t.Context())
	var requests atomic.Int64
	var group sync.WaitGroup
	defer func() { stop(); group.Wait() }()
	for i := range 6 {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: i%2 == 0, ForceAttemptHTTP2: i%3 == 0}
		client := &http.Client{Transport: transport, Timeout: time.Minute}
		group.Go(func() {
			defer transport.CloseIdleConnections()
			for n := 0; ctx.Err() == nil; n++ {
				content := []byte(fmt.Sprintf("load %d %d %s", i, n, strings.Repeat("x", 64<<10)))
				got, err := in.request(client, writer, http.MethodPost, fmt.Sprintf("/v2/load/blobs/uploads/?digest=sha256:%x", sha256.Sum256(content)), content)
				if err != nil || got.status != http.StatusCreated {
					t.Errorf("push %d of client %d: %d %v", n, i, got.status, err)
					return
				}
				requests.Add(1)
			}
		})
	}

	conn, err := tls.Dial("tcp", in.addr, &tls.Config{RootCAs: roots})
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	// Asked now and then: a connection that says nothing for long is cut off.
	stillGood := func(when string) {
		t.Helper()
		fmt.Fprintf(conn, "GET /health HTTP/1.1\r\nHost: %s\r\n\r\n", hostname)
		got, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatalf("the connection of before, %s: %v", when, err)
		}
		_, err = io.Copy(io.Discard, got.Body)
		if err := errors.Join(err, got.Body.Close()); err != nil || got.StatusCode != http.StatusOK {
			t.Fatalf("the connection of before, %s: %d, %v", when, got.StatusCode, err)
		}
	}
	stillGood("at first")
	seen := map[string]bool{}
	for round := range 6 {
		args := []string{"cert", "rotate", "--dir", in.dir}
		if round%2 == 1 {
			args = append(args, "--new-key")
		}
		out, err := exec.CommandContext(t.Context(), binary(t), args...).CombinedOutput()
		if err != nil {
			t.Fatalf("rotate: %v\n%s", err, out)
		}
		fresh, err := tls.Dial("tcp", in.addr, &tls.Config{RootCAs: roots})
		if err != nil {
			t.Fatalf("a client of the first day, round %d: %v", round, err)
		}
		served := fingerprint(fresh.ConnectionState().PeerCertificates[0])
		_ = fresh.Close()
		if seen[served] || !strings.Contains(string(out), served) {
			t.Errorf("round %d: served is %s, and rotate says\n%s", round, served, out)
		}
		seen[served] = true
		before := requests.Load()
		eventually(t, "the load goes on", patience, func() bool { return requests.Load() > before+20 || t.Failed() })
		// A connection of before the first rotation is still good.
		stillGood(fmt.Sprintf("round %d", round))
	}
	stop()
	group.Wait()
	t.Logf("%d pushes while the certificate changed %d times", requests.Load(), len(seen))
	_ = conn.Close()
	s.stop()
}

// TestSlowAndPlainClients: who sends a header a byte at a time, or nothing, is
// cut off; who speaks HTTP on the port of TLS is told so.
func TestSlowAndPlainClients(t *testing.T) {
	t.Parallel()
	in := install(t)
	configuration, err := os.ReadFile(in.configuration())
	if err != nil {
		t.Fatalf("read configuration: %v", err)
	}
	changed := strings.Replace(string(configuration), "\nhttp:\n", "\nhttp:\n  limits: {stalltimeout: 5s}\n", 1)
	if err := os.WriteFile(in.configuration(), []byte(changed), 0o600); err != nil {
		t.Fatalf("write configuration: %v", err)
	}
	s := in.serve()
	pem, err := os.ReadFile(in.ca())
	if err != nil {
		t.Fatalf("read the CA: %v", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)

	slow, err := tls.Dial("tcp", in.addr, &tls.Config{RootCAs: roots})
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer slow.Close()
	silent, err := net.Dial("tcp", in.addr)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer silent.Close()
	cut := func(c net.Conn) bool {
		_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
		_, err := io.Copy(io.Discard, c)
		timeout, ok := errors.AsType[net.Error](err)
		return err == nil || !ok || !timeout.Timeout()
	}
	_, _ = io.WriteString(slow, "GET /health HTTP/1.1\r\nHost: ")
	eventually(t, "slow clients are cut off", patience, func() bool {
		_, _ = io.WriteString(slow, "a")
		return cut(slow) && cut(silent)
	})

	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Get("http://" + in.addr + "/packs/")
	if err != nil {
		t.Fatalf("HTTP on the port of TLS: %v", err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusTemporaryRedirect || answer.Header.Get("Location") != "https://"+in.addr+"/packs/" {
		t.Errorf("a GET: %d %q", answer.StatusCode, answer.Header.Get("Location"))
	}
	answer, err = client.Post("http://"+in.addr+"/v2/a/blobs/uploads/", "", strings.NewReader("content"))
	if err != nil {
		t.Fatalf("HTTP on the port of TLS: %v", err)
	}
	said, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusBadRequest || !strings.Contains(string(said), "https://") {
		t.Errorf("a POST: %d %q, %v", answer.StatusCode, said, err)
	}
	s.stop()
}
