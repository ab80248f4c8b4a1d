package registrytest

import (
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
)

func parsed(c *client, content []byte) *manifest.Manifest {
	c.t.Helper()
	m, err := manifest.Parse(content)
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

var deleteRows = []row{
	{"DELETE of a tag MUST return 202; the tag is gone, the manifest and other tags stay (end-9)", func(c *client) {
		content := c.image("a", "")
		c.put("v1", content).is(201)
		c.put("v2", content).is(201)
		c.do("DELETE", c.at("manifests/v1"), nil).is(202)
		c.do("GET", c.at("manifests/v1"), nil).refused(404, "MANIFEST_UNKNOWN")
		c.do("DELETE", c.at("manifests/v1"), nil).refused(404, "MANIFEST_UNKNOWN")
		c.kept("v2", content)
		c.kept(digest.FromBytes(content).String(), content)
		tags, _ := c.list(c.at("tags/list"), "tags")
		c.same(tags, []string{"v2"})
		c.put("v1", content).is(201)
		c.kept("v1", content)
	}},
	{"DELETE of a manifest MUST return 202; it is gone with its tags (end-9)", func(c *client) {
		content, other := c.image("a", ""), c.image("b", "")
		d := digest.FromBytes(content)
		c.put("v1", content).is(201)
		c.put("v2", content).is(201)
		c.put("other", other).is(201)
		c.do("DELETE", c.at("manifests/%s", d), nil).is(202)
		for _, ref := range []string{d.String(), "v1", "v2"} {
			c.do("GET", c.at("manifests/%s", ref), nil).refused(404, "MANIFEST_UNKNOWN")
			c.do("HEAD", c.at("manifests/%s", ref), nil).is(404)
		}
		c.do("DELETE", c.at("manifests/%s", d), nil).refused(404, "MANIFEST_UNKNOWN")
		c.kept("other", other)
		c.put("v1", content).is(201)
		c.kept("v1", content)
	}},
	{"DELETE of a blob MUST return 202; it is gone here and nowhere else (end-10)", func(c *client) {
		content := []byte("to be deleted")
		for _, algorithm := range algorithms {
			d := c.pushAs(content, algorithm)
			c.in("other").pushAs(content, algorithm)
			c.do("DELETE", c.at("blobs/%s", d), nil).is(202)
			c.do("GET", c.at("blobs/%s", d), nil).refused(404, "BLOB_UNKNOWN")
			c.do("HEAD", c.at("blobs/%s", d), nil).is(404)
			c.do("DELETE", c.at("blobs/%s", d), nil).refused(404, "BLOB_UNKNOWN")
			c.in("other").readable(d, content)
			c.readable(c.pushAs(content, algorithm), content)
		}
	}},
	{"DELETE of what a tag needs is refused with the tag, and answered once the tag is gone", func(c *client) {
		a, b := c.image("a", ""), c.image("b", "")
		c.putDigest(a)
		c.putDigest(b)
		inner := index("", a)
		c.putDigest(inner)
		all := index("", inner, b)
		c.put("all", all).is(201)
		var kept []string
		for _, content := range [][]byte{a, b, inner} {
			kept = append(kept, "manifests/"+digest.FromBytes(content).String())
		}
		for _, r := range append(parsed(c, a).References(), parsed(c, b).References()...) {
			kept = append(kept, "blobs/"+r.Digest.String())
		}
		for _, path := range kept {
			got := c.do("DELETE", c.at("%s", path), nil).refused(405, "DENIED").has("Allow", "GET, HEAD")
			if !strings.Contains(string(got.body), `"tag":"all"`) {
				c.t.Errorf("%s: %s", path, got.body)
			}
			c.do("GET", c.at("%s", path), nil).is(200)
		}
		c.do("DELETE", c.at("manifests/all"), nil).is(202)
		for _, path := range kept {
			c.do("DELETE", c.at("%s", path), nil).is(202)
		}
	}},
	{"DELETE of what cannot be is refused", func(c *client) {
		c.do("DELETE", c.at("blobs/sha256:x"), nil).refused(400, "DIGEST_INVALID")
		c.do("DELETE", c.at("manifests/sha256:x"), nil).refused(400, "DIGEST_INVALID")
		c.do("DELETE", c.at("manifests/%s", digest.FromString("x")), nil).is(404)
		c.do("DELETE", c.at("manifests/.bad"), nil).refused(404, "MANIFEST_UNKNOWN")
		c.do("DELETE", c.at("tags/list"), nil).refused(405, "UNSUPPORTED").has("Allow", "GET, HEAD")
	}},
}

var errorRows = []row{
	{"names that are none are NAME_INVALID", func(c *client) {
		for _, name := range []string{"A", "a/B", "a..b", "a___b", "-a", "a-", "a/-b", "a%20b", "a:b", "%C3%A9", strings.Repeat("a", 256), "a%40b"} {
			c.do("GET", "/v2/"+name+"/tags/list", nil).refused(400, "NAME_INVALID")
			c.do("GET", "/v2/"+name+"/manifests/latest", nil).refused(400, "NAME_INVALID")
			c.do("POST", "/v2/"+name+"/blobs/uploads/", nil).refused(400, "NAME_INVALID")
		}
	}},
	{"encoded slashes, dot segments, backslashes and NUL bytes are no part of a name", func(c *client) {
		for _, name := range []string{"a%2Fb", "a%2fb", "..", "a/..", "a/../b", "a/./b", "%2e%2e", "a%5Cb", "a%00", "%2e%2e%2f%2e%2e%2fetc"} {
			c.do("GET", "/v2/"+name+"/tags/list", nil).refused(400, "NAME_INVALID")
		}
		c.do("GET", c.at("manifests/..%%2F..%%2Fx"), nil).refused(400, "NAME_INVALID")
		c.do("GET", c.at("blobs/uploads/..%%2Fx"), nil).refused(400, "NAME_INVALID")
	}},
	{"paths that are served by nothing are 404", func(c *client) {
		for _, path := range []string{"/", "/v3/", "/v2/a", "/v2/a/b/c", "/v2/a/manifests/latest/", "/v2/a/tags/list/", "/v2/a/tags", "/v2/a/blobs", "/x", "/v2x/", "/v2/_catalog/"} {
			c.do("GET", path, nil).refused(404, "NOT_FOUND")
		}
		c.do("GET", "/v2//tags/list", nil).refused(400, "NAME_INVALID")
		c.do("GET", "/v2/tags/list", nil).refused(400, "NAME_INVALID")
		c.do("GET", "/v2/a//b/tags/list", nil).refused(400, "NAME_INVALID")
	}},
	{"methods that a path does not have are 405 with Allow", func(c *client) {
		for path, allow := range map[string]string{
			"/v2/_catalog": "GET, HEAD", c.at("manifests/x"): "GET, HEAD, PUT, DELETE", c.at("blobs/%s", digest.FromString("x")): "GET, HEAD, DELETE",
			c.at("blobs/uploads/"): "POST", c.at("blobs/uploads/%s", strings.Repeat("0", 32)): "GET, HEAD, PATCH, PUT, DELETE", c.at("referrers/%s", digest.FromString("x")): "GET, HEAD",
		} {
			c.do("OPTIONS", path, nil).refused(405, "UNSUPPORTED").has("Allow", allow)
		}
		c.do("GET", c.at("blobs/uploads/"), nil).refused(405, "UNSUPPORTED")
	}},
	{"names may hold the words of the API", func(c *client) {
		for _, name := range []string{"blobs/uploads", "manifests", "tags/list", "a/blobs", "a/manifests/b", "v2", "a/referrers", "_catalog"} {
			other := *c
			other.repo = c.repo + "/" + strings.TrimPrefix(name, "_")
			content := other.image("a", "")
			other.put("list", content).is(201)
			other.kept("list", content)
			tags, _ := other.list(other.at("tags/list"), "tags")
			c.same(tags, []string{"list"})
		}
	}},
	{"an answer to HEAD has no body", func(c *client) {
		c.do("HEAD", c.at("manifests/none"), nil).is(404).holds(nil).has("Content-Type", "application/json; charset=utf-8")
		c.do("HEAD", "/v2/A/tags/list", nil).is(400).holds(nil)
	}},
}
