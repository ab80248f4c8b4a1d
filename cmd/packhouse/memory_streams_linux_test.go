package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"packhouse/certgen"
)

// Bounds of open requests.
const (
	mostOfStreams  = 128 * mib // of resident memory, at its peak
	flooders       = 60        // connections
	floodStreams   = 240       // that each connection attempts to keep open
	floodRequests  = 2 * flooders * floodStreams
	floodPatience  = 30 * time.Second // for a request of a user meanwhile
	floodUserTries = 7
)

// flood is what the connections of an attacker send. The client's window is zero, so it accepts no
// response.
type flood struct {
	method, path string
	user         bool // sent by a user, not the one whose requests must be answered
	header       int  // bytes of additional headers
	body         int  // bytes, if the request stays open
}

// memoryOfStreams measures the memory of open HTTP/2 streams and asks as a user meanwhile.
func memoryOfStreams(t *testing.T, binary string) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(content))
	for name, of := range map[string]flood{
		"headers of 53 KB":             {method: "GET", path: "/v2/_catalog", header: 53_000},
		"headers of 15 KB":             {method: "GET", path: "/v2/_catalog", header: 15_000},
		"headers just above the limit": {method: "GET", path: "/v2/_catalog", header: 16_500},
		"no more than needed":          {method: "GET", path: "/v2/_catalog"},
		"bodies":                       {method: "PUT", path: "/v2/a/manifests/x", body: 32 << 10},
		"public content":               {method: "GET", path: "/health", header: 15_000},
		"downloads of a user":          {method: "GET", path: "/v2/a/blobs/" + digest, user: true, header: 15_000},
		"errors for a user":            {method: "GET", path: "/v2/a/tags/list", user: true, header: 15_000},
	} {
		t.Run(name, func(t *testing.T) {
			m, roots := startMeasuredTLS(t, binary)
			m.want(http.StatusCreated, "POST", "/v2/a/blobs/uploads/?digest="+digest, content, true)
			stop := make(chan struct{})
			var sent atomic.Int64
			var all sync.WaitGroup
			defer all.Wait()
			end := sync.OnceFunc(func() { close(stop) })
			defer end()
			for range flooders {
				all.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
							of.send(strings.TrimPrefix(m.base, "https://"), roots, stop, &sent)
						}
					}
				})
			}
			var slowest time.Duration
			for try := range int64(floodUserTries) {
				if due := (try + 1) * floodRequests / floodUserTries; !within(func() bool { return sent.Load() >= due }) {
					t.Fatalf("the attackers sent %d requests, want %d", sent.Load(), due)
				}
				asked := time.Now()
				m.client.CloseIdleConnections()
				m.want(http.StatusOK, "GET", "/v2/", nil, true)
				slowest = max(slowest, time.Since(asked))
			}
			end()
			peak := m.status("VmHWM")
			t.Logf("peak %d MiB; the slowest of %d requests of a user took %v", peak/mib, floodUserTries, slowest)
			if peak > mostOfStreams {
				t.Errorf("the server needs %d MiB, want %d at most", peak/mib, mostOfStreams/mib)
			}
		})
	}
}

// startMeasuredTLS is startMeasured with a certificate.
func startMeasuredTLS(t *testing.T, binary string) (*measured, *x509.CertPool) {
	t.Helper()
	dir := t.TempDir()
	ca, err := certgen.NewCA(certgen.CAOptions{})
	if err != nil {
		t.Fatal(err)
	}
	names, err := certgen.ParseNames([]string{"127.0.0.1", "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := certgen.NewLeaf(ca, certgen.LeafOptions{Names: names})
	if err != nil {
		t.Fatal(err)
	}
	key, err := leaf.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"tls.crt": leaf.CertPEM(), "tls.key": key} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.Leaf())
	m := startMeasured(t, binary, dir, "  tls:\n    certificate: "+filepath.Join(dir, "tls.crt")+"\n",
		"    key: "+filepath.Join(dir, "tls.key")+"\n")
	m.base = "https" + strings.TrimPrefix(m.base, "http")
	m.client = &http.Client{Timeout: floodPatience, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
	}}
	return m, roots
}

// send opens a connection with as many streams as the server permits, and another one whenever the
// server ends one, and counts them. It returns when the server closes the connection, or at stop.
func (of flood) send(address string, roots *x509.CertPool, stop <-chan struct{}, sent *atomic.Int64) {
	dialer := &tls.Dialer{
		NetDialer: &net.Dialer{Timeout: time.Minute},
		Config: &tls.Config{
			RootCAs: roots, ServerName: "localhost", NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12,
		},
	}
	c, err := dialer.Dial("tcp", address)
	if err != nil {
		return // the server's places are taken
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-stop:
		case <-ended:
		}
		_ = c.Close()
	}()
	framer := http2.NewFramer(c, c)
	if _, err = c.Write([]byte(http2.ClientPreface)); err != nil {
		return
	}
	noWindow := http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}
	if framer.WriteSettings(noWindow) != nil || framer.WriteSettingsAck() != nil {
		return
	}
	pace := time.NewTicker(time.Millisecond) // of the attacker
	defer pace.Stop()
	var id uint32 = 1
	for ; id < 2*floodStreams; id += 2 {
		if of.open(framer, id) != nil {
			return
		}
		sent.Add(1)
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.PingFrame:
			if !frame.IsAck() {
				err = framer.WritePing(true, frame.Data)
			}
		case *http2.RSTStreamFrame:
			<-pace.C
			err = of.open(framer, id)
			id += 2
			sent.Add(1)
		}
		if err != nil {
			return
		}
	}
}

// open opens a stream.
func (of flood) open(framer *http2.Framer, id uint32) error {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	encoder.SetMaxDynamicTableSize(0)
	field := func(name, value string) {
		_ = encoder.WriteField(hpack.HeaderField{Name: name, Value: value}) // to a buffer
	}
	field(":method", of.method)
	field(":path", of.path)
	field(":scheme", "https")
	field(":authority", "localhost")
	if of.user {
		field("authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(measuredReader+":"+measuredPassword)))
	}
	for left := of.header; left > 0; left -= 7600 {
		field(fmt.Sprintf("x-a%d", left), strings.Repeat("\x7e", min(left, 7600)))
	}
	first := true
	for left := block.Bytes(); first || len(left) > 0; first = false {
		part := left[:min(len(left), 16<<10)]
		left = left[len(part):]
		var err error
		if first {
			err = framer.WriteHeaders(http2.HeadersFrameParam{
				StreamID: id, BlockFragment: part, EndStream: of.body == 0, EndHeaders: len(left) == 0,
			})
		} else {
			err = framer.WriteContinuation(id, len(left) == 0, part)
		}
		if err != nil {
			return err
		}
	}
	for left := of.body; left > 0; left -= 16 << 10 {
		if err := framer.WriteData(id, false, make([]byte, min(left, 16<<10))); err != nil {
			return err
		}
	}
	return nil
}
