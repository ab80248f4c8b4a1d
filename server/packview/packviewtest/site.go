package packviewtest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"image"
	"image/png"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/auth"
	"packhouse/server/manifest"
	"packhouse/server/packview"
	"packhouse/server/packview/record"
	"packhouse/server/reference"
	"packhouse/server/route"
	"packhouse/server/storage"
	"packhouse/server/storage/storagetest"
)

// site is a pack view and its store.
type site struct {
	t       *testing.T
	store   *counted
	records *record.Records
	view    *packview.View
	now     time.Time
}

func newSite(t *testing.T, store storage.Store) *site {
	t.Helper()
	derived, ok := store.(storage.Derived)
	if !ok {
		t.Fatal("the store keeps no derived records")
	}
	s := &site{t: t, store: &counted{Store: store, derived: derived}, now: time.Now()}
	s.restart(true)
	return s
}

// restart creates a view as another process would, with or without derived data.
func (s *site) restart(derived bool) {
	s.t.Helper()
	o := record.Options{Blobs: s.store}
	if derived {
		o.Derived = s.store
	}
	s.records = record.New(o)
	s.t.Cleanup(s.records.Close)
	s.view = packview.New(packview.Options{Store: s.store, Records: s.records, Now: func() time.Time { return s.now }})
}

// rebuild runs Rebuild and waits for it.
func (s *site) rebuild() {
	s.t.Helper()
	s.view.Rebuild(slog.New(slog.DiscardHandler))
	settle(s.t, s.records)
}

// do handles a request as the server does for an admin, or without credentials.
func (s *site) do(admin bool, method, path string, body []byte) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, bytes.NewReader(body))
	req, err := route.Paths{}.Parse(r)
	if err != nil {
		s.t.Fatal(err)
	}
	w := httptest.NewRecorder()
	grant := auth.Grant{Request: req, Role: auth.Admin}
	if !admin {
		if !s.view.Opens(s.t.Context(), req) {
			w.WriteHeader(http.StatusUnauthorized)
			return w
		}
		grant.Request.Action, grant.Role = route.PackLogo, 0
	}
	if err := s.view.Serve(w, r, grant); err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return w
}

// logo returns the status of a request for a logo without credentials, and its body.
func (s *site) logo(pack, logo string) (status int, body string) {
	s.t.Helper()
	w := s.do(false, http.MethodGet, logoPath(pack, logo), nil)
	return w.Code, w.Body.String()
}

func logoPath(pack, logo string) string {
	return "/v1/" + pack + "/blobs/" + digest.FromString(logo).String() + "?type=image/png"
}

// push pushes a pack with a logo and returns the digest of its manifest.
func (s *site) push(pack, version, logo string) digest.Digest {
	s.t.Helper()
	w := s.do(true, http.MethodPut, "/v1/"+pack+"/archives/"+version, archive(s.t, pack, version, logo))
	if w.Code != http.StatusCreated {
		s.t.Fatalf("push %s %s: %d %s", pack, version, w.Code, w.Body)
	}
	return digest.Digest(w.Header().Get("Docker-Content-Digest"))
}

// drop removes a tag.
func (s *site) drop(pack, version string) {
	s.t.Helper()
	if err := s.store.DeleteTag(s.t.Context(), storagetest.Repo(s.t, repository(pack)), storagetest.Tag(s.t, version)); err != nil {
		s.t.Fatal(err)
	}
}

// repo returns the repository of a pack.
func (s *site) repo(pack string) reference.Repository { return storagetest.Repo(s.t, repository(pack)) }

// tag points a tag at a manifest, as another process would.
func (s *site) tag(pack, version string, manifestDigest digest.Digest) {
	s.t.Helper()
	stored, err := s.store.GetManifest(s.t.Context(), s.repo(pack), manifestDigest, false)
	if err != nil {
		s.t.Fatal(err)
	}
	m, err := manifest.Parse(stored.Content)
	if err != nil {
		s.t.Fatal(err)
	}
	err = s.store.PutManifest(s.t.Context(), storage.Put{
		Repository: s.repo(pack), Digest: manifestDigest, Content: stored.Content, Manifest: m, Tags: []reference.Tag{storagetest.Tag(s.t, version)},
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func repository(pack string) string { return "spectro-packs/archive/" + pack }

func archive(t *testing.T, pack, version, logo string) []byte {
	t.Helper()
	var b bytes.Buffer
	packed := gzip.NewWriter(&b)
	to := tar.NewWriter(packed)
	for _, f := range [][2]string{
		{"pack.json", metadata(pack, version)},
		{"values.yaml", "a: b\n"},
		{"README.md", "# P\n"},
		{"logo.png", logo},
	} {
		if err := to.WriteHeader(&tar.Header{Name: pack + "-" + version + "/" + f[0], Mode: 0o644, Size: int64(len(f[1]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(to, f[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(to.Close(), packed.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// picture returns a PNG logo.
func picture(width, height int) string {
	var b bytes.Buffer
	_ = png.Encode(&b, image.NewGray(image.Rect(0, 0, width, height))) // a buffer never fails
	return b.String()
}
