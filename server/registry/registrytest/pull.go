package registrytest

import (
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
)

var versionRows = []row{
	{"GET /v2/ MUST return 200 where the specification is implemented (end-1)", func(c *client) {
		c.do("GET", "/v2/", nil).is(200).has("Docker-Distribution-Api-Version", "registry/2.0").has("Content-Type", "application/json")
		c.do("GET", "/v2", nil).is(200)
		c.do("HEAD", "/v2/", nil).is(200).holds(nil)
	}},
	{"other methods are refused with what is allowed", func(c *client) {
		c.do("POST", "/v2/", nil).refused(405, "UNSUPPORTED").has("Allow", "GET, HEAD")
	}},
}

var pullManifestRows = []row{
	{"GET by tag MUST return 200, the bytes, their type, length and digest (end-3)", func(c *client) {
		content := c.image("a", "")
		c.put("v1", content).is(201)
		for _, method := range []string{"GET", "HEAD"} {
			a := c.do(method, c.at("manifests/v1"), nil).is(200).
				has("Content-Type", manifest.OCIManifest).
				has("Content-Length", fmt.Sprint(len(content))).
				has("Docker-Content-Digest", digest.FromBytes(content).String())
			if method == "GET" {
				a.holds(content)
			} else {
				a.holds(nil)
			}
		}
	}},
	{"GET by digest MUST return the same, and Docker-Content-Digest for the digest asked for", func(c *client) {
		content := c.image("a", "")
		d256, d512 := c.putDigest(content), digest.SHA512.FromBytes(content)
		c.put(d512.String(), content).is(201).has("Docker-Content-Digest", d512.String())
		for _, d := range []digest.Digest{d256, d512} {
			c.do("GET", c.at("manifests/%s", d), nil).is(200).holds(content).has("Docker-Content-Digest", d.String())
			c.do("HEAD", c.at("manifests/%s", d), nil).is(200).holds(nil).has("Docker-Content-Digest", d.String())
		}
	}},
	{"GET of what is not there MUST return 404", func(c *client) {
		c.putDigest(c.image("a", ""))
		missing := digest.FromString("missing")
		for _, ref := range []string{"missing", ".INVALID_MANIFEST_NAME", missing.String()} {
			c.do("GET", c.at("manifests/%s", ref), nil).refused(404, "MANIFEST_UNKNOWN")
			c.do("HEAD", c.at("manifests/%s", ref), nil).is(404).holds(nil)
		}
		c.in("unknown").do("GET", c.in("unknown").at("manifests/latest"), nil).is(404)
	}},
	{"GET of a digest that is none is refused", func(c *client) {
		c.do("GET", c.at("manifests/sha256:baddigeststring"), nil).refused(400, "DIGEST_INVALID")
	}},
	{"Accept is tolerated: what was pushed is served", func(c *client) {
		content := c.image("a", "")
		c.put("v1", content).is(201)
		for _, accept := range []string{"text/html", manifest.DockerManifest, "*/*", manifest.OCIIndex + ", " + manifest.OCIManifest} {
			c.do("GET", c.at("manifests/v1"), nil, head{"Accept", accept}).is(200).has("Content-Type", manifest.OCIManifest)
		}
	}},
	{"a manifest without mediaType has the type that its bytes tell", func(c *client) {
		content := []byte(strings.Replace(string(c.image("a", "")), fmt.Sprintf(`"mediaType":%q,"config"`, manifest.OCIManifest), `"config"`, 1))
		c.do("PUT", c.at("manifests/v1"), content, head{"Content-Type", manifest.OCIManifest}).is(201)
		c.do("GET", c.at("manifests/v1"), nil).is(200).holds(content).has("Content-Type", manifest.OCIManifest)
	}},
	{"If-None-Match with the quoted digest is answered with 304", func(c *client) {
		content := c.image("a", "")
		d := c.putDigest(content)
		c.put("v1", content).is(201)
		for _, ref := range []string{"v1", d.String()} {
			tag := c.do("GET", c.at("manifests/%s", ref), nil).is(200).header.Get("Etag")
			if tag != `"`+d.String()+`"` {
				c.t.Errorf("Etag is %s", tag)
			}
			c.do("GET", c.at("manifests/%s", ref), nil, head{"If-None-Match", tag}).is(304).holds(nil)
			c.do("GET", c.at("manifests/%s", ref), nil, head{"If-None-Match", `"x", W/` + tag}).is(304)
			c.do("GET", c.at("manifests/%s", ref), nil, head{"If-None-Match", `"x"`}).is(200).holds(content)
		}
	}},
}

var pullBlobRows = []row{
	{"GET MUST return 200 with the bytes and their digest (end-2)", func(c *client) {
		content := []byte("some blob")
		for _, algorithm := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
			d := c.pushAs(content, algorithm)
			c.do("GET", c.at("blobs/%s", d), nil).is(200).holds(content).
				has("Docker-Content-Digest", d.String()).has("Content-Length", fmt.Sprint(len(content))).has("Content-Type", "application/octet-stream")
			c.do("HEAD", c.at("blobs/%s", d), nil).is(200).holds(nil).
				has("Docker-Content-Digest", d.String()).has("Content-Length", fmt.Sprint(len(content)))
		}
	}},
	{"a colon may be escaped", func(c *client) {
		d := c.push([]byte("x"))
		c.do("GET", c.at("blobs/%s", strings.Replace(d.String(), ":", "%3A", 1)), nil).is(200)
	}},
	{"an empty blob is one like others", func(c *client) {
		d := c.push(nil)
		c.do("GET", c.at("blobs/%s", d), nil).is(200).holds(nil).has("Content-Length", "0")
		c.do("HEAD", c.at("blobs/%s", d), nil).is(200).has("Content-Length", "0")
	}},
	{"GET of what is not there MUST return 404", func(c *client) {
		c.push([]byte("x"))
		missing := digest.FromString("missing")
		c.do("GET", c.at("blobs/%s", missing), nil).refused(404, "BLOB_UNKNOWN")
		c.do("HEAD", c.at("blobs/%s", missing), nil).is(404).holds(nil)
		c.in("unknown").do("GET", c.in("unknown").at("blobs/%s", missing), nil).is(404)
	}},
	{"knowing a digest gives nothing: a blob of another repository is not there", func(c *client) {
		d := c.in("other").push([]byte("secret of another"))
		c.do("GET", c.at("blobs/%s", d), nil).refused(404, "BLOB_UNKNOWN")
		c.do("HEAD", c.at("blobs/%s", d), nil).is(404)
	}},
	{"a digest that is none is refused", func(c *client) {
		for _, d := range []string{"sha256:", "sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", "latest", "sha256:" + strings.Repeat("A", 64)} {
			c.do("GET", c.at("blobs/%s", d), nil).refused(400, "DIGEST_INVALID")
		}
	}},
	{"If-None-Match is answered with 304", func(c *client) {
		d := c.push([]byte("x"))
		tag := c.do("GET", c.at("blobs/%s", d), nil).is(200).header.Get("Etag")
		c.do("GET", c.at("blobs/%s", d), nil, head{"If-None-Match", tag}).is(304)
		c.do("HEAD", c.at("blobs/%s", d), nil, head{"If-None-Match", tag}).is(304)
	}},
	{"Range SHOULD be served (RFC 9110)", func(c *client) {
		content := make([]byte, 2048)
		for i := range content {
			content[i] = byte(i * 7)
		}
		d := c.push(content)
		for _, tt := range []struct {
			header, shown string
			from, to      int
		}{
			{"bytes=500-1499", "bytes 500-1499/2048", 500, 1500},
			{"bytes=500-", "bytes 500-2047/2048", 500, 2048},
			{"bytes=-500", "bytes 1548-2047/2048", 1548, 2048},
			{"bytes=2000-5000", "bytes 2000-2047/2048", 2000, 2048},
			{"bytes=0-0", "bytes 0-0/2048", 0, 1},
			{"bytes=-9999", "bytes 0-2047/2048", 0, 2048},
		} {
			c.do("GET", c.at("blobs/%s", d), nil, head{"Range", tt.header}).is(206).
				has("Content-Range", tt.shown).has("Content-Length", fmt.Sprint(tt.to-tt.from)).holds(content[tt.from:tt.to])
		}
		for _, header := range []string{"bytes=500-0", "bytes=5000-10000", "bytes=2048-", "bytes=x-y", "bytes=-0", "bytes=1", "bytes=--1", "bytes=99999999999999999999-"} {
			c.do("GET", c.at("blobs/%s", d), nil, head{"Range", header}).refused(416, "RANGE_INVALID").has("Content-Range", "bytes */2048")
		}
		for _, header := range []string{"lines=1-2", "bytes=" + strings.Repeat("0-0,", 50) + "1-1"} {
			c.do("GET", c.at("blobs/%s", d), nil, head{"Range", header}).is(200).holds(content)
		}
		c.do("GET", c.at("blobs/%s", d), nil, head{"Range", "bytes=5000-"}, head{"If-Range", `"other"`}).is(200).holds(content)
		if modified := c.do("GET", c.at("blobs/%s", d), nil).is(200).header.Get("Last-Modified"); modified != "" {
			c.do("GET", c.at("blobs/%s", d), nil, head{"Range", "bytes=5000-"}, head{"If-Range", modified}).is(200).holds(content)
		}
	}},
}
