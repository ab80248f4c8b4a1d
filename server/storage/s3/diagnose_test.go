package s3

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"packhouse/server/config"
	"packhouse/server/storage"
)

// TestProbeKnowsStrangers points the probe at servers that are no S3 engine, or are asked in a wrong way.
func TestProbeKnowsStrangers(t *testing.T) {
	page := func(status int, kind, body string, headers ...string) func(*testing.T) string {
		return func(t *testing.T) string {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", kind)
				for i := 0; i < len(headers); i += 2 {
					w.Header().Set(headers[i], headers[i+1])
				}
				w.WriteHeader(status)
				fmt.Fprint(w, body)
			}))
			t.Cleanup(s.Close)
			return s.URL
		}
	}
	const html = "text/html; charset=utf-8"
	for name, c := range map[string]struct {
		endpoint func(*testing.T) string
		right    string
		what     string // holds
		remedy   string // holds
	}{
		"a web server":                      {page(404, html, "<html><body>not found</body></html>"), RightConnection, "not an S3 endpoint: it answered 404 with text/html", "regionendpoint"},
		"a REST service":                    {page(404, "application/json", `{"error":"no route"}`), RightConnection, "404 with application/json", "regionendpoint"},
		"a console that answers everything": {page(200, html, "<!doctype html><html><head></head><body>Welcome</body></html>"), RightConnection, "it answered 200 with text/html", "console"},
		"a page that is proper XML":         {page(200, "application/xhtml+xml", "<html><body/></html>"), RightConnection, "it answered 200", "console"},
		"a login page":                      {page(302, html, "<a>", "Location", "https://sso.example/login"), RightConnection, "redirects to sso.example", "login page"},
		"a login box":                       {page(401, html, "<h1>401</h1>"), RightConnection, "401 with text/html", "login"},
		"a gateway with nothing behind":     {page(502, html, "<h1>Bad Gateway</h1>"), RightConnection, "does not reach the S3 service", "runs"},
		"an error page of a firewall":       {page(403, html, "<h1>Forbidden</h1>"), RightConnection, "403 with text/html", "regionendpoint"},
		"TLS behind a redirection":          {redirectingToTLS, RightTLS, "requires TLS", "https://"},
		"TLS where plain is asked for":      {tlsAskedPlain, RightTLS, "requires TLS", "https://"},
		"another region, in a header": {
			page(301, "application/xml", "<Error><Code>PermanentRedirect</Code></Error>", "X-Amz-Bucket-Region", "eu-west-1"),
			RightRegion, `in the region "eu-west-1"`, "region to eu-west-1",
		},
		"another region, in a header alone": {page(301, "", "", "X-Amz-Bucket-Region", "eu-west-1"), RightRegion, `"eu-west-1"`, "region to eu-west-1"},
		"another region, in the signature": {
			page(400, "application/xml", "<Error><Code>AuthorizationHeaderMalformed</Code><Region>ap-south-1</Region></Error>"),
			RightRegion, `"ap-south-1"`, "region to ap-south-1",
		},
		"no bucket":       {page(404, "application/xml", "<Error><Code>NoSuchBucket</Code></Error>"), RightBucket, "no bucket", "forcepathstyle"},
		"a clock":         {page(403, "application/xml", "<Error><Code>RequestTimeTooSkewed</Code></Error>"), RightClock, "clock", "NTP"},
		"a clock by Date": {page(403, "application/xml", "<Error><Code>AccessDenied</Code></Error>", "Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)), RightClock, "1h0m", "NTP"},
		"busy":            {page(503, "application/xml", "<Error><Code>SlowDown</Code></Error>"), RightBucket, "too busy", "again later"},
		"says nothing":    {hangingUp, RightConnection, "does not answer", "firewalls"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config.S3Storage{Region: "us-east-1", Bucket: "b", AccessKey: "key", SecretKey: "very secret", RegionEndpoint: c.endpoint(t), Secure: true}
			findings := Probe(t.Context(), cfg)
			f := failing(t, findings)
			if f.Check != c.right || !strings.Contains(f.What, c.what) || !strings.Contains(f.Remedy, c.remedy) {
				t.Errorf("%+v\nwant %s: …%s…, remedy …%s…", f, c.right, c.what, c.remedy)
			}
			if strings.Contains(fmt.Sprint(findings), "very secret") {
				t.Error("a finding holds the secret key")
			}
		})
	}
}

func quietTLS(t *testing.T, h http.Handler) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// tlsAskedPlain is the address of an engine with TLS, without.
func tlsAskedPlain(t *testing.T) string {
	return strings.Replace(quietTLS(t, http.NotFoundHandler()).URL, "https", "http", 1)
}

// redirectingToTLS sends whoever asks without TLS to the same host with it.
func redirectingToTLS(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://"+r.Host+r.URL.Path, http.StatusMovedPermanently)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// hangingUp ends every connection without a word.
func hangingUp(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(s.Close)
	return s.URL
}

// TestProbeNamesTheRightThatIsMissing denies one operation after the other. Nothing else is blamed, though it may need that right too.
func TestProbeNamesTheRightThatIsMissing(t *testing.T) {
	copying := func(r *http.Request) bool { return r.Header.Get("X-Amz-Copy-Source") != "" }
	is := func(op string) func(string, *http.Request) bool {
		return func(asked string, _ *http.Request) bool { return asked == op }
	}
	for name, c := range map[string]struct {
		denied        func(op string, r *http.Request) bool
		right, remedy string
		says          string
	}{
		"list":   {is("ListObjectsV2"), RightList, "s3:ListBucket", "listing"},
		"put":    {is("PutObject"), RightPut, "s3:PutObject below root/", "writing"},
		"delete": {is("DeleteObject"), RightDelete, "s3:DeleteObject below root/", "deleting"},
		"get, which looking and copying need too": {
			func(op string, r *http.Request) bool { return op == "GetObject" || op == "HeadObject" || copying(r) },
			RightGet, "s3:GetObject below root/", "reading",
		},
		"begin":    {is("CreateMultipartUpload"), RightMultipart, "s3:PutObject", "beginning one"},
		"part":     {is("UploadPart"), RightMultipart, "s3:PutObject", "sending a part"},
		"copy":     {func(_ string, r *http.Request) bool { return copying(r) }, RightMultipart, "s3:PutObject", "copying a part"},
		"complete": {is("CompleteMultipartUpload"), RightMultipart, "s3:PutObject", "putting it together"},
		"abort":    {is("AbortMultipartUpload"), RightMultipart, "s3:AbortMultipartUpload", "giving one up"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := startFake(t, newMemoryBucket())
			f.before = func(op string, w http.ResponseWriter, r *http.Request) bool {
				if !c.denied(op, r) {
					return false
				}
				refuse(w, 403, "AccessDenied")
				return true
			}
			cfg := f.config()
			cfg.RootDirectory = "/root"
			findings := Probe(t.Context(), cfg)
			got := failing(t, findings)
			if got.Check != c.right || !strings.Contains(got.Remedy, c.remedy) || !strings.Contains(got.What, c.says) || !strings.Contains(got.What, "AccessDenied") {
				t.Errorf("%+v, want %s", got, c.right)
			}
			for _, f := range findings {
				if f.Tried && !f.Passed && f.Check != c.right {
					t.Errorf("%s is blamed as well: %+v", f.Check, f)
				}
			}
		})
	}
}

// TestProbeKnowsTheWrongStyle has the bucket's name in front of a host that has no such name.
func TestProbeKnowsTheWrongStyle(t *testing.T) {
	f := startFake(t, newMemoryBucket())
	cfg := f.config()
	cfg.ForcePathStyle, cfg.Bucket = false, "registry"
	host := strings.Repeat("x", 64) + ".example" // too long for anybody to be asked
	cfg.RegionEndpoint = strings.Replace(f.url, "127.0.0.1", host, 1)
	p := &probing{cfg: cfg}
	if !p.settings(t.Context()) {
		t.Fatalf("%+v", p.trials())
	}
	if p.bucketThere(t.Context()) { // whether the host itself has a name does not matter
		t.Fatal("found")
	}
	got := failing(t, p.trials())
	if got.Check != RightName || !strings.Contains(got.What, "registry."+host) || !strings.Contains(got.Remedy, "forcepathstyle: true") {
		t.Errorf("%+v", got)
	}
}

// TestProbeOfAWeakEngine: what is advised about an engine without conditions is what the store then does.
func TestProbeOfAWeakEngine(t *testing.T) {
	b := newMemoryBucket()
	b.weak = true
	f := startFake(t, b)
	got := failing(t, Probe(t.Context(), f.config()))
	if got.Check != RightConditions || len(got.Weaknesses) != 3 || !strings.Contains(got.Remedy, "nothing is collected") {
		t.Errorf("%+v", got)
	}
	if r, err := openMemory(t, b, nil).Collect(t.Context(), storage.CollectOptions{}, nil); err != nil || r.Skipped == "" {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestProbeOfWhatWasAskedForBeside: that an engine cannot encrypt, or has no such storage class, is not the right to write. The store does not open.
func TestProbeOfWhatWasAskedForBeside(t *testing.T) {
	for name, c := range map[string]struct {
		header         string
		change         func(*config.S3Storage)
		what, remedy   string
		without, right string
	}{
		"encryption": {"X-Amz-Server-Side-Encryption", func(c *config.S3Storage) { c.Encrypt = true }, "not encrypted as asked: InvalidArgument", "do not ask it for encryption", "PutObject", RightPut},
		"a key": {
			"X-Amz-Server-Side-Encryption", func(c *config.S3Storage) { c.Encrypt, c.KeyID, c.StorageClass = true, "my-key", "STANDARD_IA" },
			"not encrypted as asked: InvalidArgument", "kms:GenerateDataKey", "PutObject", RightPut,
		},
		"storage class": {
			"X-Amz-Storage-Class", func(c *config.S3Storage) { c.Encrypt, c.StorageClass = true, "FAST" },
			`not in the storage class "FAST": InvalidArgument`, "a storage class that the S3 service has", "PutObject", RightPut,
		},
		"storage class of an archive": {"", func(c *config.S3Storage) { c.StorageClass = "GLACIER" }, "InvalidObjectState", "read at once", "GetObject", RightGet},
	} {
		t.Run(name, func(t *testing.T) {
			f := startFake(t, newMemoryBucket())
			f.before = func(op string, w http.ResponseWriter, r *http.Request) bool {
				switch {
				case op == "GetObject" && c.right == RightGet && strings.HasSuffix(r.URL.Path, asContent):
					refuse(w, 403, "InvalidObjectState")
				case op == "PutObject" && c.header != "" && r.Header.Get(c.header) != "":
					refuse(w, 400, "InvalidArgument")
				default:
					return false
				}
				return true
			}
			cfg := f.config()
			c.change(&cfg)
			got := failing(t, Probe(t.Context(), cfg))
			if got.Check != c.right || !strings.Contains(got.What, c.what) || !strings.Contains(got.Remedy, c.remedy) || strings.Contains(got.Remedy, c.without) {
				t.Errorf("%+v", got)
			}
			if s, err := Open(t.Context(), Options{Config: cfg}); err == nil {
				t.Error("it opens all the same")
				_ = s.Close()
			}
			if left := f.b.keys(""); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestAnEngineThatShowsWhatWasDeleted does so for a while, as one does that answers out of a cache: that is another weakness than deleting what was
// not meant.
func TestAnEngineThatShowsWhatWasDeleted(t *testing.T) {
	f := startFake(t, newMemoryBucket())
	var gone atomic.Bool
	f.before = func(op string, w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, asContent) {
			return false
		}
		if op == "HeadObject" && gone.Load() {
			w.Header().Set("ETag", `"old"`)
			return true
		}
		gone.Store(gone.Load() || op == "DeleteObject" && r.Header.Get("If-Match") != `"00000000000000000000000000000000"`)
		return false
	}
	c, err := newClient(t.Context(), f.config())
	if err != nil {
		t.Fatal(err)
	}
	traits, err := prove(t.Context(), c)
	want := Traits{Create: true, Replace: true, ConditionalDrop: true, ListedAfterWrite: true, Copy: true}
	if err != nil || traits != want {
		t.Errorf("%+v, %v, want %+v", traits, err, want)
	}
}

// TestProbeAsksWhomTheStoreAsks: AWS tools may be told of an engine by a variable, and so is the store.
func TestProbeAsksWhomTheStoreAsks(t *testing.T) {
	f := startFake(t, newMemoryBucket())
	t.Setenv("AWS_ENDPOINT_URL_S3", f.url)
	cfg := f.config()
	cfg.RegionEndpoint = ""
	findings := Probe(t.Context(), cfg)
	if !passed(findings) || !strings.Contains(findings[0].What, strings.TrimPrefix(f.url, "http://")) {
		t.Errorf("%+v", findings)
	}
}
