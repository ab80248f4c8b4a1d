package route

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/problem"
	"packhouse/server/reference"
)

const (
	hexA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	dA   = digest.Digest("sha256:" + hexA)
	d512 = digest.Digest("sha512:" + hexA + hexA)
	id   = "0123456789abcdef0123456789abcdef"
)

func repository(t testing.TB, name string) reference.Repository {
	t.Helper()
	r, err := reference.ParseRepository(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func tag(t testing.TB, name string) reference.Tag {
	t.Helper()
	r, err := reference.ParseTag(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// request makes a request as net/http's server does, which neither cleans nor unescapes.
func request(t testing.TB, method, target string) *http.Request {
	t.Helper()
	u, err := url.ParseRequestURI(target)
	if err != nil {
		t.Skip("net/http refuses it")
	}
	r := httptest.NewRequest(method, "/", nil)
	r.URL = u
	return r
}

func TestParse(t *testing.T) {
	a, pack := repository(t, "a"), repository(t, "spectro-packs/archive/x")
	anyPage := Page{N: Unlimited}
	tests := []struct {
		method, target string
		want           Request
	}{
		{"GET", "/health", Request{Action: Health}},
		{"HEAD", "/health?x=y", Request{Action: Health}},
		{"GET", "/v2/", Request{Action: Ping}},
		{"GET", "/v2", Request{Action: Ping}},
		{"GET", "/v1/", Request{Action: PackPing}},
		{"GET", "/v1", Request{Action: PackPing}},
		{"GET", "/v1/_catalog?n=7", Request{Action: PackCatalog, Page: Page{N: 7}}},
		{"GET", "/v1/_catalog?base=t/u", Request{Action: PackCatalog, Base: "t/u", Page: anyPage}},
		{"GET", "/v1/x/tags/list", Request{Action: PackTagList, Repository: pack, Pack: "x", Page: anyPage}},
		{"GET", "/v1/x/tags/list?base=t/u&n=2", Request{Action: PackTagList, Repository: repository(t, "t/u/spectro-packs/archive/x"), Base: "t/u", Pack: "x", Page: Page{N: 2}}},
		{"GET", "/v1/x/manifests/1.x", Request{Action: PackRead, Repository: pack, Pack: "x", Tag: tag(t, "1.x")}},
		{"GET", "/v1/x/manifests/" + string(dA), Request{Action: PackRead, Repository: pack, Pack: "x", Digest: dA}},
		{"GET", "/v1/x/blobs/" + string(dA) + "?type=image/png", Request{Action: PackFile, Repository: pack, Pack: "x", Digest: dA, MediaType: "image/png"}},
		{"GET", "/v1/x/blobs/" + string(dA) + "?archive=" + string(d512), Request{Action: PackFile, Repository: pack, Pack: "x", Digest: dA, Archive: d512}},
		{"HEAD", "/v1/x/archives/1.0", Request{Action: PackArchive, Repository: pack, Pack: "x", Tag: tag(t, "1.0")}},
		{"PUT", "/v1/x/archives/1.0?group=LTS&force=true&message=because", Request{
			Action: PackPush, Repository: pack, Pack: "x", Version: "1.0", Group: "LTS", Tag: tag(t, "LTS__1.0"), Force: true, Message: "because",
		}},
		{"PUT", "/v1/x/archives/1.0?force=0", Request{Action: PackPush, Repository: pack, Pack: "x", Version: "1.0", Tag: tag(t, "1.0")}},
		{"PUT", "/v1/x/tags/list", Request{Action: PackTagWrite, Repository: pack, Pack: "x", Tag: tag(t, "list")}},
		{"DELETE", "/v1/x/tags/1.x", Request{Action: PackTagDelete, Repository: pack, Pack: "x", Tag: tag(t, "1.x")}},
		{"GET", "/?q=x", Request{Action: PageRoot, Search: "x"}},
		{"GET", "/packs?q=x&versions=all", Request{Action: PagePacks, Search: "x", Older: true, Page: anyPage}},
		{"GET", "/packs?q=ngi+nx&layer=cni", Request{Action: PagePacks, Search: "ngi nx", Layer: "cni", Page: anyPage}},
		{"GET", "/packs", Request{Action: PagePacks, Page: anyPage}},
		{"HEAD", "/packs/?last=a", Request{Action: PagePacks, Page: Page{N: Unlimited, Last: "a"}}},
		{"GET", "/packs/x", Request{Action: PagePack, Repository: pack, Pack: "x"}},
		{"GET", "/packs/x/1.0", Request{Action: PagePack, Repository: pack, Pack: "x", Tag: tag(t, "1.0")}},
		{"GET", "/packs/x/" + string(dA) + "/values?base=t", Request{
			Action: PagePack, Repository: repository(t, "t/spectro-packs/archive/x"), Base: "t", Pack: "x", Digest: dA, Section: "values",
		}},
		{"GET", "/packs/x/1.0/file?path=charts/a.tgz&cloud=aws", Request{
			Action: PagePack, Repository: pack, Pack: "x", Tag: tag(t, "1.0"), Section: "file",
			File: "charts/a.tgz", Cloud: "aws",
		}},
		{"GET", "/packs/x/1.0/changes?from=0.9&path=a", Request{
			Action: PagePack, Repository: pack, Pack: "x", Tag: tag(t, "1.0"), Section: "changes",
			Before: Version{Tag: tag(t, "0.9")},
		}},
		{"GET", "/repositories/?q=a", Request{Action: PageRepositories, Search: "a", Page: anyPage}},
		{"GET", "/repositories/a/b", Request{Action: PageRepository, Repository: repository(t, "a/b"), Page: anyPage}},
		{"GET", "/assets/style.css", Request{Action: PageAsset, Asset: "style.css"}},
		{"GET", "/v2/_catalog?n=0&last=b/c", Request{Action: Catalog, Page: Page{N: 0, Last: "b/c"}}},
		{"GET", "/v2/_catalog?n=99999999999", Request{Action: Catalog, Page: anyPage}},
		{"GET", "/v2/a/blobs/sha256:" + hexA, Request{Action: BlobRead, Repository: a, Digest: dA}},
		{"HEAD", "/v2/a/blobs/sha256%3a" + hexA, Request{Action: BlobRead, Repository: a, Digest: dA}},
		{"DELETE", "/v2/a/blobs/" + string(d512), Request{Action: BlobDelete, Repository: a, Digest: d512}},
		{"GET", "/v2/a/manifests/latest", Request{Action: ManifestRead, Repository: a, Tag: tag(t, "latest")}},
		{"GET", "/v2/a/manifests/" + string(dA), Request{Action: ManifestRead, Repository: a, Digest: dA}},
		{"DELETE", "/v2/a/manifests/v1", Request{Action: TagDelete, Repository: a, Tag: tag(t, "v1")}},
		{"DELETE", "/v2/a/manifests/" + string(dA), Request{Action: ManifestDelete, Repository: a, Digest: dA}},
		{"PUT", "/v2/a/manifests/v1", Request{Action: ManifestWrite, Repository: a, Tag: tag(t, "v1")}},
		{"PUT", "/v2/a/manifests/v1?tag=ignored", Request{Action: ManifestWrite, Repository: a, Tag: tag(t, "v1")}},
		{"PUT", "/v2/a/manifests/" + string(dA) + "?tag=v1&tag=v2&tag=v1", Request{Action: ManifestWrite, Repository: a, Digest: dA, Tags: []reference.Tag{tag(t, "v1"), tag(t, "v2")}}},
		{"PUT", "/v2/a/manifests/v1?digest=" + string(d512), Request{Action: ManifestWrite, Repository: a, Digest: d512, Tags: []reference.Tag{tag(t, "v1")}}},
		{"GET", "/v2/a/tags/list?n=5&last=v1", Request{Action: TagList, Repository: a, Page: Page{N: 5, Last: "v1"}}},
		{"GET", "/v2/a/referrers/" + string(dA) + "?artifactType=x%2Fy", Request{Action: Referrers, Repository: a, Digest: dA, ArtifactType: "x/y", Page: anyPage}},
		{"POST", "/v2/a/blobs/uploads/", Request{Action: UploadStart, Repository: a}},
		{"POST", "/v2/a/blobs/uploads", Request{Action: UploadStart, Repository: a}},
		{"POST", "/v2/a/blobs/uploads/?digest=" + string(dA), Request{Action: UploadStart, Repository: a, Digest: dA}},
		{"POST", "/v2/a/blobs/uploads/?digest-algorithm=sha512", Request{Action: UploadStart, Repository: a, Algorithm: digest.SHA512}},
		{"POST", "/v2/a/blobs/uploads/?mount=" + string(dA), Request{Action: UploadStart, Repository: a, Mount: dA}},
		{"POST", "/v2/a/blobs/uploads/?mount=" + string(dA) + "&from=b/c", Request{Action: UploadStart, Repository: a, Mount: dA, From: repository(t, "b/c")}},
		{"POST", "/v2/a/blobs/uploads/?mount=" + string(dA) + "&from=..", Request{Action: UploadStart, Repository: a}},
		{"PATCH", "/v2/a/blobs/uploads/" + id, Request{Action: UploadAppend, Repository: a, Upload: id}},
		{"PUT", "/v2/a/blobs/uploads/" + id + "?digest=" + string(dA), Request{Action: UploadFinish, Repository: a, Upload: id, Digest: dA}},
		{"GET", "/v2/a/blobs/uploads/" + id, Request{Action: UploadStatus, Repository: a, Upload: id}},
		{"DELETE", "/v2/a/blobs/uploads/" + id, Request{Action: UploadCancel, Repository: a, Upload: id}},
		{"GET", "/v2/a/b/c.d/e__f/manifests/x", Request{Action: ManifestRead, Repository: repository(t, "a/b/c.d/e__f"), Tag: tag(t, "x")}},
		{"GET", "/v2/manifests/blobs/uploads/tags/list", Request{Action: TagList, Repository: repository(t, "manifests/blobs/uploads"), Page: anyPage}},
		{"POST", "/v2/blobs/uploads/blobs/uploads/", Request{Action: UploadStart, Repository: repository(t, "blobs/uploads")}},
		{"GET", "/v2/tags/list/manifests/list", Request{Action: ManifestRead, Repository: repository(t, "tags/list"), Tag: tag(t, "list")}},
	}
	for _, tt := range tests {
		for _, prefix := range []string{"", "/", "/deep/prefix", "/deep/prefix/"} {
			got, err := Paths{Prefix: prefix}.Parse(request(t, tt.method, strings.TrimSuffix(prefix, "/")+tt.target))
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%s %s below %q: got %+v, %v; want %+v", tt.method, tt.target, prefix, got, err, tt.want)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	blob := "/v2/a/blobs/"
	tests := []struct {
		method, target string
		status         int
		code           string
		allow          string
	}{
		{"POST", "/", 405, "UNSUPPORTED", "GET, HEAD"},
		{"GET", "/packs?versions=some", 400, "QUERY_INVALID", ""},
		{"GET", "/packs?versions=all&versions=all", 400, "QUERY_INVALID", ""},
		{"GET", "/v2x", 404, "NOT_FOUND", ""},
		{"GET", "/health/", 404, "NOT_FOUND", ""},
		{"GET", "/health/x", 404, "NOT_FOUND", ""},
		{"POST", "/health", 405, "UNSUPPORTED", "GET, HEAD"},
		{"GET", "//v2/", 404, "NOT_FOUND", ""},
		{"GET", "/v2//", 404, "NOT_FOUND", ""},
		{"GET", "/v2/_catalog/", 404, "NOT_FOUND", ""},
		{"PUT", "/v2/_catalog", 405, "UNSUPPORTED", "GET, HEAD"},
		{"GET", "/v1/x", 404, "NOT_FOUND", ""},
		{"GET", "/v1/x/tags", 404, "NOT_FOUND", ""},
		{"GET", "/v1/x/y/tags/list", 404, "NOT_FOUND", ""},
		{"GET", "/v1/X/tags/list", 400, "NAME_INVALID", ""},
		{"GET", "/v1/x/tags/list?base=..", 400, "NAME_INVALID", ""},
		{"GET", "/v1/x/tags/list?base=a&base=b", 400, "QUERY_INVALID", ""},
		{"GET", "/v1/x/tags/1.0", 405, "UNSUPPORTED", "PUT, DELETE"},
		{"POST", "/v1/x/tags/list", 405, "UNSUPPORTED", "GET, HEAD, PUT, DELETE"},
		{"PUT", "/v1/x/tags/.1", 400, "TAG_INVALID", ""},
		{"DELETE", "/v1/x/tags/.1", 404, "MANIFEST_UNKNOWN", ""},
		{"PUT", "/v1/x/manifests/1.0", 405, "UNSUPPORTED", "GET, HEAD"},
		{"GET", "/v1/x/manifests/sha256:x", 400, "DIGEST_INVALID", ""},
		{"PUT", "/v1/x/blobs/" + string(dA), 405, "UNSUPPORTED", "GET, HEAD"},
		{"GET", "/v1/x/blobs/" + string(d512), 400, "DIGEST_INVALID", ""},
		{"GET", "/v1/x/blobs/" + string(dA) + "?type=text/html", 400, "QUERY_INVALID", ""},
		{"GET", "/v1/x/blobs/" + string(dA) + "?type=image/svg%2bxml", 400, "QUERY_INVALID", ""},
		{"GET", "/v1/x/blobs/" + string(dA) + "?archive=x", 400, "DIGEST_INVALID", ""},
		{"DELETE", "/v1/x/archives/1.0", 405, "UNSUPPORTED", "GET, HEAD, PUT"},
		{"PUT", "/v1/x/archives/" + string(dA), 400, "TAG_INVALID", ""},
		{"PUT", "/v1/x/archives/1.0?group=a__b", 400, "TAG_INVALID", ""},
		{"PUT", "/v1/x/archives/1.0?group=" + strings.Repeat("a", 127), 400, "TAG_INVALID", ""},
		{"PUT", "/v1/x/archives/1.0?force=perhaps", 400, "QUERY_INVALID", ""},
		{"PUT", "/v1/x/archives/1.0?force=true", 400, "QUERY_INVALID", ""},
		{"PUT", "/v1/x/archives/1.0?force=true&message=+%09+", 400, "QUERY_INVALID", ""},
		{"PUT", "/v1/x/archives/1.0?message=" + strings.Repeat("a", 1001), 400, "QUERY_INVALID", ""},
		{"GET", "/packs/X", 400, "NAME_INVALID", ""},
		{"GET", "/packs/x/.y", 404, "MANIFEST_UNKNOWN", ""},
		{"GET", "/packs/x/1.0/changes?from=.9", 404, "MANIFEST_UNKNOWN", ""},
		{"GET", "/packs/x/1.0/secrets", 404, "NOT_FOUND", ""},
		{"GET", "/packs/x/1.0/values/x", 404, "NOT_FOUND", ""},
		{"DELETE", "/packs/x", 405, "UNSUPPORTED", "GET, HEAD"},
		{"GET", "/repositories/A", 400, "NAME_INVALID", ""},
		{"GET", "/assets/", 404, "NOT_FOUND", ""},
		{"GET", "/assets/a/b", 404, "NOT_FOUND", ""},
		{"GET", "/v1/_catalog?n=a", 400, "PAGINATION_NUMBER_INVALID", ""},
		{"GET", "/v2/a/tags/list/x", 404, "NOT_FOUND", ""},
		{"GET", "/v2/a/manifests/x/", 404, "NOT_FOUND", ""},
		{"GET", "/v2/a/manifests/", 404, "MANIFEST_UNKNOWN", ""},
		{"PUT", "/v2/a/manifests/.x", 400, "TAG_INVALID", ""},
		{"PUT", "/v2/a/manifests/" + string(dA) + "?tag=", 400, "TAG_INVALID", ""},
		{"PUT", "/v2/a/manifests/" + string(dA) + "?" + strings.Repeat("tag=x&", 101), 414, "TAG_INVALID", ""},
		{"POST", "/v2/a/manifests/x", 405, "UNSUPPORTED", "GET, HEAD, PUT, DELETE"},
		{"GET", "/v2/a/manifests/md5:d41d8cd98f00b204e9800998ecf8427e", 400, "DIGEST_INVALID", ""},
		{"GET", blob + "latest", 400, "DIGEST_INVALID", ""},
		{"GET", blob + "SHA256:" + hexA, 400, "DIGEST_INVALID", ""},
		{"GET", blob + string(dA)[1:], 400, "DIGEST_INVALID", ""},
		{"PATCH", blob + string(dA), 405, "UNSUPPORTED", "GET, HEAD, DELETE"},
		{"GET", blob + "uploads/", 405, "UNSUPPORTED", "POST"},
		{"POST", blob + "uploads/?digest=x", 400, "DIGEST_INVALID", ""},
		{"POST", blob + "uploads/?mount=x", 400, "DIGEST_INVALID", ""},
		{"POST", blob + "uploads/?digest-algorithm=sha384", 400, "DIGEST_INVALID", ""},
		{"POST", blob + "uploads/?mount=" + string(dA) + "&from=b&from=c", 400, "QUERY_INVALID", ""},
		{"POST", blob + "uploads/?a;b", 400, "QUERY_INVALID", ""},
		{"GET", blob + "uploads/" + strings.ToUpper(id), 404, "BLOB_UPLOAD_UNKNOWN", ""},
		{"GET", blob + "uploads/" + id[1:], 404, "BLOB_UPLOAD_UNKNOWN", ""},
		{"PUT", blob + "uploads/" + id, 400, "DIGEST_INVALID", ""},
		{"POST", blob + "uploads/" + id, 405, "UNSUPPORTED", "GET, HEAD, PATCH, PUT, DELETE"},
		{"GET", "/v2/A/tags/list", 400, "NAME_INVALID", ""},
		{"GET", "/v2/a//tags/list", 400, "NAME_INVALID", ""},
		{"GET", "/v2/a%2Fb/tags/list", 400, "NAME_INVALID", ""},
		{"GET", "/v2/%2e%2e/tags/list", 400, "NAME_INVALID", ""},
		{"GET", "/v2/../tags/list", 400, "NAME_INVALID", ""},
		{"GET", "/v2/a/./tags/list", 400, "NAME_INVALID", ""},
		{"GET", "/v2/a%00/tags/list", 400, "NAME_INVALID", ""},
		{"GET", "/v2/a%5cb/tags/list", 400, "NAME_INVALID", ""},
		{"GET", "/v2/a%0a/tags/list", 400, "NAME_INVALID", ""},
		{"GET", "/v2/tags/list", 400, "NAME_INVALID", ""},
		{"GET", "/v2/" + strings.Repeat("a/", 2000) + "tags/list", 400, "NAME_INVALID", ""},
		{"GET", "/v2/a/tags/list?n=-1", 400, "PAGINATION_NUMBER_INVALID", ""},
		{"GET", "/v2/a/tags/list?last=%0d%0a", 400, "QUERY_INVALID", ""},
		{"GET", "/v2/a/referrers/x", 400, "DIGEST_INVALID", ""},
	}
	for _, tt := range tests {
		_, err := Paths{}.Parse(request(t, tt.method, tt.target))
		p, ok := errors.AsType[*problem.Error](err)
		if !ok || p.Status != tt.status || p.Code != tt.code || p.Header.Get("Allow") != tt.allow {
			t.Errorf("%s %.80s: got %+v, want %d %s %q", tt.method, tt.target, err, tt.status, tt.code, tt.allow)
		}
	}
	for _, target := range []string{"/v2/", "/deeper/v2/", "/deep/prefixv2/", "/deep/prefix"} {
		if _, err := (Paths{Prefix: "/deep/prefix"}).Parse(request(t, "GET", target)); err == nil {
			t.Errorf("%s was taken below a prefix", target)
		}
	}
}

func TestPage(t *testing.T) {
	for _, tt := range []struct{ n, limit, want int }{{Unlimited, 10, 10}, {0, 10, 0}, {5, 10, 5}, {50, 10, 10}} {
		if got := (Page{N: tt.n}).Limit(tt.limit); got != tt.want {
			t.Errorf("%d of at most %d: got %d", tt.n, tt.limit, got)
		}
	}
	h := http.Header{}
	query := url.Values{"artifactType": {"x/y"}}
	Next(h, "/v2/_catalog", query, 5, "a/b")
	if got := h.Get("Link"); got != `</v2/_catalog?artifactType=x%2Fy&last=a%2Fb&n=5>; rel="next"` {
		t.Error(got)
	}
	if len(query) != 1 {
		t.Error("the query was changed")
	}
	Next(h, "/v2/_catalog", nil, Unlimited, "a")
	if got := h.Get("Link"); got != `</v2/_catalog?last=a>; rel="next"` {
		t.Error(got)
	}
}

// FuzzPage checks that a page is cut down to something sane, and that the link to the next one asks for just that.
func FuzzPage(f *testing.F) {
	for _, seed := range []string{"n=5&last=a", "n=-1", "n=99999999999999999999", "last=%00", "n=0", "n=+1", "n=1e3", "last=a%26n%3D7", "n=5&n=6", "last=%3E%3B"} {
		f.Add(seed, 100)
	}
	f.Fuzz(func(t *testing.T, raw string, limit int) {
		r := httptest.NewRequest("GET", "/v2/_catalog", nil)
		r.URL.RawQuery = raw
		req, err := Paths{}.Parse(r)
		if err != nil || limit < 1 {
			return
		}
		n := req.Page.Limit(limit)
		if n < 0 || n > limit {
			t.Fatalf("%q: %d of at most %d", raw, n, limit)
		}
		h := http.Header{}
		Next(h, "/v2/_catalog", nil, n, req.Page.Last)
		target, ok := strings.CutSuffix(strings.TrimPrefix(h.Get("Link"), "<"), `>; rel="next"`)
		next, err := Paths{}.Parse(request(t, "GET", target))
		if !ok || err != nil || next.Page.Last != req.Page.Last || next.Page.Limit(limit) != n {
			t.Fatalf("%q leads to %q: %+v, %v", raw, h.Get("Link"), next.Page, err)
		}
	})
}

// FuzzParse checks that whatever is taken is made of parsed values only, and that what is refused is refused in words.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"/v2/", "/v2/a/blobs/uploads/" + id + "?digest=" + string(dA), "/v2/a/b/manifests/x?tag=a&tag=b", "/v2/a%2fb/tags/list?n=1&last=%00",
		"/v2/a/blobs/uploads/?mount=" + string(dA) + "&from=../x", "/v2/_catalog?n=9999999999999999999999", "/v2/a/referrers/" + string(dA) + "?artifactType=%0a",
		"/v1/x/archives/1.0?group=a&force=1&message=m&base=a/b", "/v1/x/blobs/" + string(dA) + "?type=image/png&archive=" + string(dA), "/v1/x/tags/1.x",
		"/packs/x/1.0/values", "/?q=%00&layer=x", "/repositories/a/b", "/assets/..%2fx",
	} {
		f.Add("DELETE", seed)
		f.Add("GET", seed)
		f.Add("PUT", seed)
		f.Add("POST", seed)
	}
	f.Fuzz(func(t *testing.T, method, target string) {
		r := request(t, "GET", target)
		r.Method = method
		req, err := Paths{}.Parse(r)
		if err != nil {
			if p, ok := errors.AsType[*problem.Error](err); !ok || p.Status < 400 || p.Status > 499 || p.Code == "" || p.Message == "" {
				t.Fatalf("%s %q: %+v", method, target, err)
			}
			return
		}
		if req.Action == "" {
			t.Fatalf("%s %q: no action", method, target)
		}
		for _, name := range []string{req.Repository.String(), req.From.String()} {
			if name != "" && repository(t, name).String() != name {
				t.Fatalf("%q", name)
			}
		}
		for _, g := range append([]reference.Tag{req.Tag}, req.Tags...) {
			if !g.IsZero() && tag(t, g.String()) != g {
				t.Fatalf("%q", g)
			}
		}
		for _, d := range []digest.Digest{req.Digest, req.Mount} {
			if d != "" && d.Validate() != nil {
				t.Fatalf("%q", d)
			}
		}
		for _, text := range []string{req.Base, req.Pack, req.Version, req.Group, req.MediaType, req.Section, req.Asset} {
			if strings.Contains(text, "..") || strings.ContainsAny(text, "\\\x00\r\n <") {
				t.Fatalf("%+v", req)
			}
		}
		if strings.Contains(req.Upload, "/") || strings.ContainsAny(req.Page.Last, "\x00\r\n") || req.Page.N < Unlimited {
			t.Fatalf("%+v", req)
		}
	})
}
