package s3

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"packhouse/server/config"
	"packhouse/server/storage"
	"packhouse/server/storage/storagetest"
)

// TestPresignedByTheEnginesClock signs with a clock that is hours off.
func TestPresignedByTheEnginesClock(t *testing.T) {
	c, err := newClient(t.Context(), config.S3Storage{Region: "r", Bucket: "bucket", AccessKey: "a", SecretKey: "s", RegionEndpoint: "https://s3.example", Secure: true})
	if err != nil {
		t.Fatal(err)
	}
	c.transport.ahead.Store(int64(3 * time.Hour))
	address, err := c.presign(t.Context(), "k", 10*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse("20060102T150405Z", u.Query().Get("X-Amz-Date"))
	if err != nil || time.Until(at) < 2*time.Hour+50*time.Minute {
		t.Errorf("signed at %s, %v", at, err)
	}
	if u.Host != "bucket.s3.example" || u.Query().Get("X-Amz-Expires") != "600" || u.Query().Get("X-Amz-SignedHeaders") != "host" {
		t.Errorf("%s", address)
	}
}

// TestEnginePresigned uses a presigned address as the clients of a registry do, and as they should not.
func TestEnginePresigned(t *testing.T) {
	s := openEngine(t, startEngine(t), nil)
	content := noise(43, 100_000)
	d := storagetest.PushBlob(t, s, "a", content)
	repo := storagetest.Repo(t, "a")
	address, err := s.Presign(t.Context(), repo, d, time.Minute, 0)
	if err != nil || address == "" {
		t.Fatalf("%q, %v", address, err)
	}
	ask := func(method, header, value, address string) (int, []byte) {
		r, err := http.NewRequestWithContext(t.Context(), method, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if header != "" {
			r.Header.Set(header, value)
		}
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		body, _ := io.ReadAll(a.Body)
		return a.StatusCode, body
	}
	if status, body := ask("GET", "", "", address); status != 200 || !bytes.Equal(body, content) {
		t.Errorf("GET: %d, %d bytes", status, len(body))
	}
	if status, body := ask("GET", "Range", "bytes=10-19", address); status != 206 || !bytes.Equal(body, content[10:20]) {
		t.Errorf("range: %d, %d bytes", status, len(body))
	}
	for _, method := range []string{"HEAD", "PUT", "DELETE"} {
		if status, _ := ask(method, "", "", address); status != 403 {
			t.Errorf("%s: %d", method, status)
		}
	}
	other := storagetest.PushBlob(t, s, "b", []byte("of another repository"))
	if status, _ := ask("GET", "", "", strings.ReplaceAll(strings.ReplaceAll(address, d.Encoded()[:2]+"/", other.Encoded()[:2]+"/"), d.Encoded(), other.Encoded())); status != 403 {
		t.Errorf("another blob: %d", status)
	}
	if _, err := s.Presign(t.Context(), repo, other, time.Minute, 0); !errors.Is(err, storage.ErrBlobUnknown) {
		t.Errorf("presigned for a repository that has no link: %v", err)
	}
	// A process that has not seen the bytes hands them out itself.
	fresh := newStoreOn(s.bucket)
	if address, err := fresh.Presign(t.Context(), repo, d, time.Minute, 0); err != nil || address != "" {
		t.Errorf("unseen: %q, %v", address, err)
	}
}

// TestSmallBlobsAreNotPresigned leaves blobs below a size to the registry, which sends
// Docker-Content-Digest.
func TestSmallBlobsAreNotPresigned(t *testing.T) {
	s := newStoreOn(newMemoryBucket())
	repo := storagetest.Repo(t, "a")
	d := storagetest.PushBlob(t, s, "a", noise(44, 1000))
	for below, redirected := range map[int64]bool{0: true, 1000: true, 1001: false} {
		if address, err := s.Presign(t.Context(), repo, d, time.Minute, below); err != nil || (address != "") != redirected {
			t.Errorf("proxybelow %d: %q, %v", below, address, err)
		}
	}
}
