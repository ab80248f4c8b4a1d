package registrytest

import (
	"fmt"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
)

func quoted(d digest.Digest) string { return `"` + d.String() + `"` }

var preconditionRows = []row{
	{"If-None-Match: * creates a tag and never moves one (RFC 9110, section 13.1.2)", func(c *client) {
		first, second := c.image("a", ""), c.image("b", "")
		none := head{"If-None-Match", "*"}
		c.put("v1", first, none).is(201)
		c.put("v1", second, none).refused(412, "PRECONDITION_FAILED")
		c.put("v1", first, none).refused(412, "PRECONDITION_FAILED")
		c.kept("v1", first)
		c.do("DELETE", c.at("manifests/v1"), nil).is(202)
		c.put("v1", second, none).is(201)
		c.kept("v1", second)
	}},
	{"If-Match moves a tag only from the digest that it names (RFC 9110, section 13.1.1)", func(c *client) {
		first, second := c.image("a", ""), c.image("b", "")
		was, is := digest.FromBytes(first), digest.FromBytes(second)
		for _, match := range []string{"*", quoted(was)} {
			c.put("v1", first, head{"If-Match", match}).refused(412, "PRECONDITION_FAILED")
			c.do("GET", c.at("manifests/v1"), nil).is(404)
		}
		c.put("v1", first).is(201)
		tag := c.do("GET", c.at("manifests/v1"), nil).is(200).has("Etag", quoted(was)).header.Get("Etag")
		for _, match := range []string{quoted(is), `"x"`, "W/" + tag, was.String()} {
			c.put("v1", second, head{"If-Match", match}).refused(412, "PRECONDITION_FAILED")
		}
		c.kept("v1", first)
		c.put("v1", second, head{"If-Match", `"x", ` + tag}).is(201)
		c.put("v1", first, head{"If-Match", tag}).refused(412, "PRECONDITION_FAILED")
		c.put("v1", first, head{"If-Match", "*"}, head{"If-None-Match", quoted(was)}).is(201)
		c.put("v1", second, head{"If-None-Match", "W/" + tag}).refused(412, "PRECONDITION_FAILED")
		c.kept("v1", first)
	}},
	{"preconditions of a push by digest are about the digest", func(c *client) {
		content := c.image("a", "")
		d := digest.FromBytes(content)
		c.put(d.String(), content, head{"If-Match", "*"}).refused(412, "PRECONDITION_FAILED")
		c.do("GET", c.at("manifests/%s", d), nil).is(404)
		c.put(d.String()+"?tag=v1", content, head{"If-None-Match", "*"}).is(201)
		c.put(d.String()+"?tag=v2", content, head{"If-None-Match", "*"}).refused(412, "PRECONDITION_FAILED")
		c.do("GET", c.at("manifests/v2"), nil).is(404)
		c.put(d.String()+"?tag=v2", content, head{"If-Match", quoted(d)}).is(201)
		c.kept("v2", content)
	}},
}

// sparseRows are what the public conformance suite demands of registries with OCI_DATA_SPARSE.
var sparseRows = []row{
	{"a manifest whose blobs are missing is accepted and kept", func(c *client) {
		layer, config := digest.FromString("no layer"), digest.FromString("no config")
		for _, content := range [][]byte{
			fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`, manifest.OCIManifest,
				descriptor("application/vnd.oci.image.config.v1+json", config, 9, ""),
				descriptor("application/vnd.oci.image.layer.v1.tar", layer, 8, "")),
			fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`, manifest.DockerManifest,
				descriptor("application/vnd.docker.container.image.v1+json", config, 9, ""),
				descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", layer, 8, "")),
		} {
			c.put("sparse", content).is(201)
			c.kept("sparse", content)
			c.kept(digest.FromBytes(content).String(), content)
		}
		c.do("GET", c.at("blobs/%s", layer), nil).refused(404, "BLOB_UNKNOWN")
		missing := c.image("a", "")
		all := index("", missing)
		c.put("index", all).is(201)
		c.kept("index", all)
	}},
	{"a manifest that states a wrong size for a blob that is there is refused", func(c *client) {
		config := c.push([]byte("{}"))
		content := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[]}`, manifest.OCIManifest,
			descriptor("x/y", config, 3, ""))
		c.put("v1", content).refused(400, "SIZE_INVALID")
	}},
}
