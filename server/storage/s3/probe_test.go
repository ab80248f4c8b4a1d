package s3

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"packhouse/finding"
	"packhouse/server/config"
)

// failing returns what failed first.
func failing(t *testing.T, findings []finding.Trial) finding.Trial {
	t.Helper()
	for _, f := range findings {
		if f.Tried && !f.Passed {
			return f
		}
	}
	t.Errorf("nothing failed: %+v", findings)
	return finding.Trial{}
}

// refusing answers every request with an error of S3.
func refusing(t *testing.T, status int, code string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>words of the engine</Message></Error>`, code)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestProbeTellsApart(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	closed.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(secure.Close)
	for name, c := range map[string]struct {
		endpoint string
		want     string
	}{
		"a name nobody knows":    {"https://" + strings.Repeat("x", 64) + ".invalid", RightName}, // too long for anybody to be asked
		"nobody there":           {"http://" + nobody, RightConnection},
		"TLS where none is":      {"https://" + strings.TrimPrefix(plain.URL, "http://"), RightTLS},
		"a certificate of a CA":  {secure.URL, RightTLS},
		"clock":                  {refusing(t, 403, "RequestTimeTooSkewed"), RightClock},
		"secret key":             {refusing(t, 403, "SignatureDoesNotMatch"), RightSignature},
		"access key":             {refusing(t, 403, "InvalidAccessKeyId"), RightSignature},
		"region":                 {refusing(t, 400, "AuthorizationHeaderMalformed"), RightRegion},
		"region, by redirection": {refusing(t, 301, "PermanentRedirect"), RightRegion},
		"no such bucket":         {refusing(t, 404, "NoSuchBucket"), RightBucket},
		"may not list":           {refusing(t, 403, "AccessDenied"), RightList},
		"no endpoint":            {"http://user@host", RightSettings},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config.S3Storage{Region: "us-east-1", Bucket: "b", AccessKey: "key", SecretKey: "very secret", RegionEndpoint: c.endpoint, Secure: true}
			findings := Probe(t.Context(), cfg)
			if f := failing(t, findings); f.Check != c.want || f.Remedy == "" {
				t.Errorf("%+v, want %s", f, c.want)
			}
			if strings.Contains(fmt.Sprint(findings), "very secret") {
				t.Error("a finding holds the secret key")
			}
			if len(findings) != len(allRights) || passed(findings) {
				t.Errorf("%d findings", len(findings))
			}
		})
	}
}

// passed tells whether nothing that was tried failed and everything was tried.
func passed(findings []finding.Trial) bool {
	return len(findings) > 0 && !slices.ContainsFunc(findings, func(f finding.Trial) bool { return !f.Passed })
}

func TestEngineProbe(t *testing.T) {
	cfg := startEngine(t)
	if findings := Probe(t.Context(), cfg); !passed(findings) {
		t.Errorf("%+v", findings)
	}
	for name, c := range map[string]struct {
		change func(*config.S3Storage)
		want   string
	}{
		"secret":  {func(c *config.S3Storage) { c.SecretKey = "other" }, RightSignature},
		"key":     {func(c *config.S3Storage) { c.AccessKey = "other" }, RightSignature},
		"region":  {func(c *config.S3Storage) { c.Region = "eu-west-7" }, RightRegion},
		"bucket":  {func(c *config.S3Storage) { c.Bucket = "another" }, RightBucket},
		"TLS":     {func(c *config.S3Storage) { c.Secure = true }, RightTLS},
		"no name": {func(c *config.S3Storage) { c.Bucket = "" }, RightSettings},
	} {
		mine := cfg
		c.change(&mine)
		if f := failing(t, Probe(t.Context(), mine)); f.Check != c.want {
			t.Errorf("%s: %+v, want %s", name, f, c.want)
		}
	}
}

// writeCA writes the certificate of a server into a file.
func writeCA(t *testing.T, s *httptest.Server) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestProbeTrustsTheNamedCA goes past TLS with the CA's certificate at hand.
func TestProbeTrustsTheNamedCA(t *testing.T) {
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	ca := writeCA(t, secure)
	cfg := config.S3Storage{Region: "us-east-1", Bucket: "b", AccessKey: "key", SecretKey: "s", RegionEndpoint: secure.URL, Secure: true, CAFile: ca}
	if f := failing(t, Probe(t.Context(), cfg)); f.Check != RightConnection || !strings.Contains(f.What, "S3 endpoint") {
		t.Errorf("%+v", f)
	}
}

// TestHangingEngine has the engine fall silent before and in the middle of its answers: the request is sent again, the blob taken up where it
// broke off.
func TestHangingEngine(t *testing.T) {
	content := noise(1, 100<<10)
	var asked atomic.Int32
	hang := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := asked.Add(1)
		if n == 1 {
			<-hang
			return
		}
		if n == 2 {
			w.Header().Set("Content-Length", strconv.Itoa(len(content)))
			_, _ = w.Write(content[:50<<10])
			_ = http.NewResponseController(w).Flush()
			<-hang
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(hang) })
	c, err := newClient(t.Context(), config.S3Storage{Bucket: "b", AccessKey: "a", SecretKey: "s", RegionEndpoint: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	c.transport.answer, c.transport.stall = 200*time.Millisecond, 200*time.Millisecond
	src := &source{s: newStoreOn(c), ctx: t.Context(), key: "k", o: object{size: int64(len(content))}}
	defer src.drop()
	if got, err := io.ReadAll(src); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if n := asked.Load(); n != 3 {
		t.Errorf("asked %d times", n)
	}
}

func TestLifecycle(t *testing.T) {
	rule := Lifecycle(config.S3Storage{RootDirectory: "/a/b/"})
	if !json.Valid([]byte(rule)) || !strings.Contains(rule, `"a/b/"`) {
		t.Error(rule)
	}
}

func TestLateRequestsAreNotSent(t *testing.T) {
	sent := 0
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { sent++ }))
	defer s.Close()
	c, err := newClient(t.Context(), config.S3Storage{Bucket: "b", AccessKey: "a", SecretKey: "s", RegionEndpoint: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.delete(sendBefore(t.Context(), time.Now().Add(-time.Second)), "key"); err == nil || sent != 0 {
		t.Errorf("%v, %d sent", err, sent)
	}
	if err := c.delete(sendBefore(t.Context(), time.Now().Add(time.Minute)), "key"); err != nil || sent != 1 {
		t.Errorf("in time: %v, %d sent", err, sent)
	}
}
