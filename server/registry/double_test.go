package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/auth"
	"packhouse/server/manifest"
	"packhouse/server/problem"
	"packhouse/server/reference"
	"packhouse/server/registry"
	"packhouse/server/registry/registrytest"
	"packhouse/server/route"
	"packhouse/server/storage"
)

// double is a store of which a test programs a few methods; the others must not be called.
type double struct {
	storage.Store
	stat     func(touch bool) (int64, error)
	open     func() (storage.Blob, error)
	resolve  func() (digest.Digest, error)
	manifest func(d digest.Digest, touch bool) (storage.Stored, error)
	put      func(r io.Reader) error
	refs     []manifest.Descriptor
}

func (s *double) StatBlob(_ context.Context, _ reference.Repository, _ digest.Digest, touch bool) (int64, error) {
	return s.stat(touch)
}

func (s *double) OpenBlob(context.Context, reference.Repository, digest.Digest) (storage.Blob, error) {
	return s.open()
}

func (s *double) ResolveTag(context.Context, reference.Repository, reference.Tag) (digest.Digest, error) {
	return s.resolve()
}

func (s *double) GetManifest(_ context.Context, _ reference.Repository, d digest.Digest, touch bool) (storage.Stored, error) {
	return s.manifest(d, touch)
}

func (s *double) PutBlob(_ context.Context, _ storage.Owner, _ digest.Digest, r io.Reader, _ int64) error {
	return s.put(r)
}

func (s *double) Referrers(context.Context, reference.Repository, digest.Digest) ([]manifest.Descriptor, error) {
	return s.refs, nil
}

// pieces is a store that is told what of a blob is going to be read.
type pieces struct {
	double
	asked []storage.Piece
}

func (s *pieces) OpenBlobPiece(_ context.Context, _ reference.Repository, _ digest.Digest, piece storage.Piece) (storage.Blob, error) {
	s.asked = append(s.asked, piece)
	return s.open()
}

// TestAStoreIsToldTheRange asks for parts of a blob: what is one piece is opened as that, everything else as the whole.
func TestAStoreIsToldTheRange(t *testing.T) {
	const whole = "0123456789"
	d := digest.FromString(whole)
	for _, tt := range []struct {
		name, wanted, ifRange string
		piece                 []storage.Piece
		status                int
		body                  string
	}{
		{"the whole", "", "", nil, 200, whole},
		{"a piece", "bytes=2-4", "", []storage.Piece{{From: 2, Length: 3}}, 206, "234"},
		{"to the end", "bytes=7-", "", []storage.Piece{{From: 7, Length: -1}}, 206, "789"},
		{"further than the end", "bytes=7-99", "", []storage.Piece{{From: 7, Length: 93}}, 206, "789"},
		{"the last bytes", "bytes=-2", "", nil, 206, "89"},
		{"if it is still that blob", "bytes=0-0", `"` + d.String() + `"`, []storage.Piece{{From: 0, Length: 1}}, 206, "0"},
		{"if it is another blob", "bytes=0-0", `"x"`, nil, 200, whole},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := &pieces{double: double{open: func() (storage.Blob, error) { return content{strings.NewReader(whole), int64(len(whole))}, nil }}}
			req, r := parse(t, "GET", "/v2/a/blobs/"+d.String())
			r.Header.Set("Range", tt.wanted)
			r.Header.Set("If-Range", tt.ifRange)
			w := serve(t, registry.New(registry.Options{Store: store}), auth.Grant{Request: req}, r)
			if w.Code != tt.status || w.Body.String() != tt.body || !slices.Equal(store.asked, tt.piece) {
				t.Errorf("%d, %q, opened %+v; want %d, %q, %+v", w.Code, w.Body, store.asked, tt.status, tt.body, tt.piece)
			}
		})
	}
}

// content is an open blob.
type content struct {
	io.ReadSeeker
	size int64
}

func (c content) Content() io.ReadSeeker { return c.ReadSeeker }
func (c content) Size() int64            { return c.size }
func (c content) ModTime() time.Time     { return time.Time{} }
func (c content) Close() error           { return nil }

// rotten fails after its first bytes, as a store does that finds bytes not to be what they should be.
type rotten struct{ *strings.Reader }

func (r rotten) Read(p []byte) (int, error) {
	if r.Len() < 50 {
		return 0, errors.New("the bytes are damaged")
	}
	return r.Reader.Read(p[:min(len(p), 10)])
}

func TestDamagedContentIsCutOff(t *testing.T) {
	whole := strings.Repeat("x", 100)
	store := &double{open: func() (storage.Blob, error) {
		return content{rotten{strings.NewReader(whole)}, 100}, nil
	}}
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(registrytest.Handler(registry.Options{Store: store}))
			server.EnableHTTP2 = http2
			server.StartTLS()
			defer server.Close()
			for _, header := range []string{"", "bytes=10-"} {
				req, err := http.NewRequest("GET", server.URL+"/v2/a/blobs/"+digest.FromString(whole).String(), nil)
				if err != nil {
					t.Fatal(err)
				}
				if header != "" {
					req.Header.Set("Range", header)
				}
				resp, err := server.Client().Do(req)
				if err != nil {
					continue // cut off before its head was sent
				}
				got, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err == nil {
					t.Errorf("range %q: %d bytes came without an error", header, len(got))
				}
			}
		})
	}
}

func TestDamagedContentAborts(t *testing.T) {
	store := &double{open: func() (storage.Blob, error) {
		return content{rotten{strings.NewReader(strings.Repeat("x", 100))}, 100}, nil
	}}
	req, r := parse(t, "GET", "/v2/a/blobs/"+digest.FromString("x").String())
	defer func() {
		if v := recover(); v != http.ErrAbortHandler { //nolint:errorlint // it is panicked with as it is
			t.Errorf("panicked with %v", v)
		}
	}()
	_ = registry.New(registry.Options{Store: store}).Serve(httptest.NewRecorder(), r, auth.Grant{Request: req})
	t.Error("half an answer was ended as if it were whole")
}

// unread is a body that must not be read.
type unread struct{ t *testing.T }

func (b unread) Read([]byte) (int, error) {
	b.t.Error("the body was read")
	return 0, io.EOF
}

func TestWhatTheHeadRulesOutIsNotRead(t *testing.T) {
	g := registry.New(registry.Options{Store: &double{}}) // which must not be called
	for target, tt := range map[string]struct {
		method, contentRange string
		length               int64
		status               int
	}{
		"/v2/a/manifests/v1":                             {"PUT", "", manifest.MaxSize + 1, 413},
		"/v2/a/blobs/uploads/" + strings.Repeat("0", 32): {"PATCH", "0-4", 10, 400},
		"/v2/a/blobs/uploads/" + strings.Repeat("1", 32) + "?digest=" + digest.FromString("x").String(): {"PUT", "bytes 0-4/5", 4, 400},
	} {
		req, r := parse(t, tt.method, target)
		r.Body, r.ContentLength = io.NopCloser(unread{t}), tt.length
		if tt.contentRange != "" {
			r.Header.Set("Content-Range", tt.contentRange)
		}
		if w := serve(t, g, auth.Grant{Request: req}, r); w.Code != tt.status {
			t.Errorf("%s: status %d, want %d", target, w.Code, tt.status)
		}
	}
}

// sink is a ResponseWriter that tells what it was given to send.
type sink struct {
	*httptest.ResponseRecorder
	source io.Reader
}

func (s *sink) ReadFrom(r io.Reader) (int64, error) {
	s.source = r
	return io.Copy(s.ResponseRecorder, r)
}

func TestFilesAreSentBare(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(path, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := registry.New(registry.Options{Store: &double{open: func() (storage.Blob, error) {
		file, err := os.Open(path)
		return content{file, 5}, err
	}}})
	req, r := parse(t, "GET", "/v2/a/blobs/"+digest.FromString("hello").String())
	w := &sink{ResponseRecorder: httptest.NewRecorder()}
	if err := g.Serve(w, r, auth.Grant{Request: req}); err != nil {
		t.Fatal(err)
	}
	limited, ok := w.source.(*io.LimitedReader)
	if !ok {
		t.Fatalf("sent a %T", w.source)
	}
	if _, ok := limited.R.(*os.File); !ok {
		t.Errorf("sent a %T, which the kernel cannot send by itself", limited.R)
	}
}

func TestOnlyPushersKeepWhatTheyLookAt(t *testing.T) {
	for _, tt := range []struct {
		role auth.Role
		want bool
	}{{auth.Reader, false}, {auth.Writer, true}, {auth.Admin, true}} {
		var touched []bool
		store := &double{
			stat:    func(touch bool) (int64, error) { touched = append(touched, touch); return 1, nil },
			resolve: func() (digest.Digest, error) { return digest.FromString("x"), nil },
			manifest: func(_ digest.Digest, touch bool) (storage.Stored, error) {
				touched = append(touched, touch)
				return storage.Stored{}, nil
			},
		}
		g := registry.New(registry.Options{Store: store})
		for _, target := range []string{"/v2/a/blobs/" + digest.FromString("x").String(), "/v2/a/manifests/v1", "/v2/a/manifests/" + digest.FromString("x").String()} {
			req, r := parse(t, "HEAD", target)
			if w := serve(t, g, auth.Grant{Request: req, Role: tt.role}, r); w.Code != 200 {
				t.Errorf("%s: %d", target, w.Code)
			}
		}
		if !slices.Equal(touched, []bool{tt.want, tt.want, tt.want}) {
			t.Errorf("%v: touched %v", tt.role, touched)
		}
	}
}

func TestATagThatMovesIsLookedUpAgain(t *testing.T) {
	old, now := digest.FromString("old"), digest.FromString("now")
	answers := []digest.Digest{old, now}
	store := &double{
		resolve: func() (digest.Digest, error) { d := answers[0]; answers = append(answers[1:], d); return d, nil },
		manifest: func(d digest.Digest, _ bool) (storage.Stored, error) {
			if d == old {
				return storage.Stored{}, storage.ErrManifestUnknown
			}
			return storage.Stored{Digest: d, MediaType: manifest.OCIManifest}, nil
		},
	}
	req, r := parse(t, "GET", "/v2/a/manifests/v1")
	w := serve(t, registry.New(registry.Options{Store: store}), auth.Grant{Request: req}, r)
	if w.Code != 200 || w.Header().Get("Docker-Content-Digest") != now.String() {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestAClientThatStopsIsToldFromAStoreThatFails(t *testing.T) {
	broken := io.MultiReader(strings.NewReader("half"), &failing{})
	for name, tt := range map[string]struct {
		put    func(r io.Reader) error
		status int
	}{
		"client": {func(r io.Reader) error { _, err := io.ReadAll(r); return fmt.Errorf("write stage: %w", err) }, 400},
		"store":  {func(io.Reader) error { return errors.New("input/output error") }, 500},
		"full":   {func(r io.Reader) error { _, _ = io.ReadAll(r); return storage.ErrFull }, 507},
	} {
		req, r := parse(t, "POST", "/v2/a/blobs/uploads/?digest="+digest.FromString("x").String())
		r.Body = io.NopCloser(broken)
		w := serve(t, registry.New(registry.Options{Store: &double{put: tt.put}}), auth.Grant{Request: req}, r)
		if w.Code != tt.status {
			t.Errorf("%s: status %d, want %d: %s", name, w.Code, tt.status, w.Body)
		}
		broken = io.MultiReader(strings.NewReader("half"), &failing{})
	}
}

type failing struct{}

func (*failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestListingsOfReferrersFitAManifest(t *testing.T) {
	store := &double{}
	for i := range 300 {
		store.refs = append(store.refs, manifest.Descriptor{
			MediaType: manifest.OCIManifest, Digest: digest.FromString(fmt.Sprint(i)), Size: 1, ArtifactType: "text/x",
			Annotations: map[string]string{"note": strings.Repeat("a", 30_000)},
		})
	}
	g := registry.New(registry.Options{Store: store})
	target, seen := "/v2/a/referrers/"+digest.FromString("x").String()+"?artifactType=text%2Fx", map[digest.Digest]bool{}
	for pages := 0; target != "" && pages < 10; pages++ {
		req, r := parse(t, "GET", target)
		w := serve(t, g, auth.Grant{Request: req}, r)
		if w.Body.Len() > manifest.MaxSize {
			t.Errorf("a page of %d bytes", w.Body.Len())
		}
		var index struct{ Manifests []manifest.Descriptor }
		if err := json.Unmarshal(w.Body.Bytes(), &index); err != nil {
			t.Fatal(err)
		}
		for _, d := range index.Manifests {
			seen[d.Digest] = true
		}
		target, _, _ = strings.Cut(strings.TrimPrefix(w.Header().Get("Link"), "<"), ">")
	}
	if len(seen) != 300 {
		t.Errorf("%d of 300 were listed", len(seen))
	}
}

func TestActionsOfOthersAreNotServed(t *testing.T) {
	g := registry.New(registry.Options{Store: &double{}})
	for _, action := range []route.Action{"", route.Health, route.PackCatalog, "something.new"} {
		err := g.Serve(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), auth.Grant{Request: route.Request{Action: action}, Role: auth.Admin})
		if p, ok := errors.AsType[*problem.Error](err); !ok || p.Status != 404 {
			t.Errorf("%q: %v", action, err)
		}
	}
}
