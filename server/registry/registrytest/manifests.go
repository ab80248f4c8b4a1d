package registrytest

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
)

const emptyType = "application/vnd.oci.empty.v1+json"

// artifact pushes what an artifact without content needs and returns the artifact's bytes.
func (c *client) artifact(artifactType, more string) []byte {
	c.t.Helper()
	d := c.push([]byte("{}"))
	empty := descriptor(emptyType, d, 2, "")
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":%q,"config":%s,"layers":[%s]%s}`, manifest.OCIManifest, artifactType, empty, empty, more)
}

func subject(content []byte) string {
	return `,"subject":` + descriptor(typeOf(content), digest.FromBytes(content), len(content), "")
}

// kept checks that a manifest is served as it was pushed.
func (c *client) kept(ref string, content []byte) {
	c.t.Helper()
	c.do("GET", c.at("manifests/%s", ref), nil).is(200).holds(content).has("Content-Type", typeOf(content))
}

var pushManifestRows = []row{
	{"PUT by tag MUST return 201 with a pullable Location (end-7)", func(c *client) {
		content := c.image("a", "")
		d := digest.FromBytes(content)
		stored := c.put("v1", content).is(201).has("Docker-Content-Digest", d.String())
		c.do("GET", stored.location(), nil).is(200).holds(content)
		c.kept("v1", content)
		c.kept(d.String(), content)
	}},
	{"PUT by digest MUST return 201, for sha256 and sha512, and sets no tag", func(c *client) {
		content := c.image("a", "")
		for _, algorithm := range algorithms {
			d := algorithm.FromBytes(content)
			stored := c.put(d.String(), content).is(201).has("Docker-Content-Digest", d.String())
			c.do("GET", stored.location(), nil).is(200).holds(content)
		}
		tags, _ := c.list(c.at("tags/list"), "tags")
		c.same(tags, []string{})
	}},
	{"a tag moves to what was pushed last; the digest before stays readable", func(c *client) {
		first, second := c.image("a", ""), c.image("b", "")
		c.put("v1", first).is(201)
		c.put("v1", second).is(201)
		c.put("v1", second).is(201)
		c.kept("v1", second)
		c.kept(digest.FromBytes(first).String(), first)
	}},
	{"a tag that many push at once is what one of them pushed, and all are there", func(c *client) {
		var contents [][]byte
		for i := range 6 {
			contents = append(contents, c.image(fmt.Sprint(i), ""))
		}
		count := atOnce(18, func(i int) (*http.Request, error) {
			req, err := http.NewRequest("PUT", c.base+c.at("manifests/v1"), bytes.NewReader(contents[i%6]))
			if err == nil {
				req.Header.Set("Content-Type", manifest.OCIManifest)
			}
			return req, err
		})
		if count[201] != 18 {
			c.t.Errorf("statuses %v", count)
		}
		for _, content := range contents {
			c.kept(digest.FromBytes(content).String(), content)
		}
		got := c.do("GET", c.at("manifests/v1"), nil).is(200).body
		if !slices.ContainsFunc(contents, func(content []byte) bool { return bytes.Equal(content, got) }) {
			c.t.Errorf("the tag holds %q", got)
		}
	}},
	{"a digest that does not match MUST be refused", func(c *client) {
		content := c.image("a", "")
		for _, algorithm := range algorithms {
			c.put(algorithm.FromString("x").String(), content).refused(400, "DIGEST_INVALID")
			c.put(algorithm.FromBytes(content).String(), append(slices.Clone(content), "  "...)).refused(400, "DIGEST_INVALID")
		}
		c.put("sha256:baddigeststring", content).refused(400, "DIGEST_INVALID")
		c.put("-bad-tag", content).refused(400, "TAG_INVALID")
		c.put(strings.Repeat("a", 129), content).refused(400, "TAG_INVALID")
		c.do("GET", c.at("manifests/%s", digest.FromBytes(content)), nil).is(404)
	}},
	{"tag parameters MUST be answered with OCI-Tag and set all tags", func(c *client) {
		content := c.image("a", "")
		for _, algorithm := range algorithms {
			d := algorithm.FromBytes(content)
			a := c.put(d.String()+"?tag=v1&tag=v1.2&tag=latest&tag=v1", content).is(201).has("Docker-Content-Digest", d.String())
			c.same(a.header.Values("OCI-Tag"), []string{"v1", "v1.2", "latest"})
			for _, tag := range []string{"v1", "v1.2", "latest"} {
				c.do("GET", c.at("manifests/%s", tag), nil).is(200).holds(content).has("Docker-Content-Digest", d.String())
			}
		}
		c.put(digest.FromBytes(content).String()+"?tag=ok&tag=.bad", content).refused(400, "TAG_INVALID")
		c.put(digest.FromBytes(content).String()+"?tag=x"+strings.Repeat("&tag=y", 200), content).refused(414, "TAG_INVALID")
		c.do("GET", c.at("manifests/ok"), nil).is(404)
	}},
	{"a manifest by tag may name its digest", func(c *client) {
		content := c.image("a", "")
		d := digest.SHA512.FromBytes(content)
		c.put("v1?digest="+d.String(), content).is(201).has("Docker-Content-Digest", d.String())
		c.do("GET", c.at("manifests/v1"), nil).is(200).has("Docker-Content-Digest", d.String())
	}},
	{"a subject MUST be answered with OCI-Subject, and MAY be missing", func(c *client) {
		image := c.image("a", "")
		d := digest.FromBytes(image)
		for _, content := range [][]byte{c.artifact("text/x", subject(image)), index(subject(image)), c.image("b", subject(image))} {
			c.put(digest.FromBytes(content).String(), content).is(201).has("OCI-Subject", d.String())
			c.kept(digest.FromBytes(content).String(), content)
		}
		c.do("GET", c.at("manifests/%s", d), nil).is(404)
		c.put("v1", image).is(201).has("OCI-Subject", "")
	}},
	{"every kind of manifest is taken and kept byte for byte", func(c *client) {
		a, b := c.image("a", ""), c.image("b", "")
		c.putDigest(a)
		c.putDigest(b)
		inner := index("", a, b)
		c.putDigest(inner)
		config := c.push([]byte("{}"))
		docker := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[]}`, manifest.DockerManifest,
			descriptor("application/vnd.docker.container.image.v1+json", config, 2, ""))
		c.putDigest(docker)
		list := bytes.Replace(index("", docker), []byte(manifest.OCIIndex), []byte(manifest.DockerList), 1)
		for name, content := range map[string][]byte{
			"index": index("", a, b), "nested": index("", inner, a), "empty": index(""),
			"artifact": c.artifact("application/vnd.example+json", ""), "artifact-index": index(`,"artifactType":"text/x"`, a),
			"annotations": c.image("c", `,"annotations":{"org.example":"ä <&>"}`),
			"custom":      c.image("d", `,"org.example.custom":{"deep":[1,2,{"a":null}]}`),
			"no-layers":   fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[]}`, manifest.OCIManifest, descriptor("x/y", config, 2, "")),
			"data":        fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[]}`, manifest.OCIManifest, descriptor("x/y", config, 2, `,"data":"e30="`)),
			"whitespace":  append([]byte("\n  "), append(c.image("e", ""), "\n\n"...)...),
			"docker":      docker, "docker-list": list,
		} {
			c.put(name, content).is(201)
			c.kept(name, content)
		}
	}},
	{"an empty artifact without a tag is taken, as oras pushes it to the folder of packs", func(c *client) {
		c.repo += "/spectro-packs/archive"
		d := c.push([]byte("{}"))
		content := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[]}`, manifest.OCIManifest, descriptor("application/vnd.unknown.config.v1+json", d, 2, ""))
		c.put(digest.FromBytes(content).String(), content).is(201)
	}},
	{"layers that are not distributed need not be here", func(c *client) {
		config := c.push([]byte("{}"))
		missing := digest.FromString("elsewhere")
		for i, layer := range []string{
			descriptor("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", missing, 9, `,"urls":["https://example.com/x"]`),
			descriptor("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", missing, 9, `,"urls":["https://example.com/x"]`),
		} {
			c.put(fmt.Sprint("v", i), fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`, manifest.OCIManifest, descriptor("x/y", config, 2, ""), layer)).is(201)
		}
	}},
	{"a build cache, an index of blobs, is taken", func(c *client) {
		layer := c.push([]byte("cached"))
		content := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, manifest.OCIIndex, descriptor("application/vnd.buildkit.cacheconfig.v0", layer, 6, ""))
		c.put("cache", content).is(201)
		c.kept("cache", content)
	}},
	{"manifests of 4 MiB SHOULD be taken", func(c *client) {
		content := c.image("a", `,"annotations":{"a":"@"}`)
		content = bytes.Replace(content, []byte("@"), bytes.Repeat([]byte("A"), manifest.MaxSize-len(content)+1), 1)
		if len(content) != manifest.MaxSize {
			c.t.Fatal(len(content))
		}
		c.put("large", content).is(201)
		c.kept("large", content)
	}},
}

var badManifestRows = []row{
	{"the blobs it refers to MUST be in this repository", func(c *client) {
		image := c.image("a", "")
		other := c.in("other")
		other.push([]byte("something, so that the repository is there"))
		other.put("v1", image).refused(404, "MANIFEST_BLOB_UNKNOWN")
		c.do("DELETE", c.at("blobs/%s", digest.FromString("layer of a")), nil).is(202)
		c.put("v1", image).refused(404, "MANIFEST_BLOB_UNKNOWN")
		c.do("GET", c.at("manifests/v1"), nil).is(404)
		c.put("v1", c.image("a", "")).is(201)
	}},
	{"an index whose manifests are missing MAY be refused", func(c *client) {
		content := index("", c.image("a", ""))
		if a := c.put("v1", content); a.status != 201 {
			a.refused(404, "MANIFEST_BLOB_UNKNOWN")
			c.do("GET", c.at("manifests/v1"), nil).is(404)
			return
		}
		c.kept("v1", content)
	}},
	{"more than 4 MiB is 413", func(c *client) {
		content := append(c.image("a", ""), bytes.Repeat([]byte(" "), manifest.MaxSize)...)
		c.do("PUT", c.at("manifests/v1"), content, head{"Content-Type", manifest.OCIManifest}).refused(413, "MANIFEST_INVALID")
		c.do("GET", c.at("manifests/v1"), nil).is(404)
	}},
	{"Content-Type and the bytes must agree (CVE-2021-41190)", func(c *client) {
		content := c.image("a", "")
		for _, mediaType := range []string{manifest.OCIIndex, manifest.DockerManifest, "application/json", "application/x-www-form-urlencoded", ";;"} {
			c.do("PUT", c.at("manifests/v1"), content, head{"Content-Type", mediaType}).refused(400, "MANIFEST_INVALID")
		}
		c.do("PUT", c.at("manifests/v1"), content, head{"Content-Type", manifest.OCIManifest + "; charset=utf-8"}).is(201)
		c.do("PUT", c.at("manifests/v1"), content).is(201)
	}},
	{"keys that some clients read and others do not are refused (CVE-2021-41190)", func(c *client) {
		d := c.push([]byte("{}"))
		config, other := descriptor("x/y", d, 2, ""), descriptor("x/y", d, 2, `,"Digest":"`+digest.FromString("x").String()+`"`)
		image := func(format string, args ...any) string {
			return fmt.Sprintf(`{"schemaVersion":2,"mediaType":"`+manifest.OCIManifest+`",`+format+`}`, args...)
		}
		index := func(child string) string { return `{"schemaVersion":2,"manifests":[` + child + `]}` }
		for _, content := range []string{
			image(`"config":%s,"layers":[],"Layers":[%s]`, config, config),
			image(`"config":%s,"LAYERS":[%s]`, config, config),
			image(`"config":%s,"layers":[],"layers":[%s]`, config, config),
			image(`"config":%s,"layers":[],"Manifests":[%s]`, config, config),
			image(`"config":%s,"layers":[],"mediatype":%q`, config, manifest.OCIIndex),
			image(`"config":%s,"layers":[]`, other),
			image(`"config":%s,"layers":[%s]`, config, other),
			image(`"config":%s,"layers":[],"subject":%s`, config, other),
			image(`"config":%s,"layers":[],"vendor":1,"Vendor":2`, config),
			index(descriptor(manifest.OCIManifest, digest.FromString("x"), 2, `,"Size":3`)),
			index(descriptor(manifest.OCIManifest, digest.FromString("x"), 2, `,"platform":{"os":"linux","OS":"windows"}`)),
		} {
			c.do("PUT", c.at("manifests/v1"), content).refused(400, "MANIFEST_INVALID")
		}
		c.do("GET", c.at("manifests/v1"), nil).is(404)
	}},
	{"a stated size that is not the size of the content is refused", func(c *client) {
		d := c.push([]byte("{}"))
		layer := c.push([]byte("a layer"))
		child := c.image("child", "")
		c.putDigest(child)
		blobs := func(config, size int) string {
			return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]`, manifest.OCIManifest,
				descriptor("x/y", d, config, ""), descriptor("x/y", layer, size, ""))
		}
		stated := func(n int) string { return descriptor(manifest.OCIManifest, digest.FromBytes(child), n, "") }
		indexed := func(n int) string {
			return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, manifest.OCIIndex, stated(n))
		}
		cached := func(n int) string {
			return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, manifest.OCIIndex,
				descriptor("application/vnd.buildkit.cacheconfig.v0", layer, n, ""))
		}
		for name, content := range map[string]string{
			"config": blobs(3, 7) + "}", "layer, smaller": blobs(2, 6) + "}", "layer, larger": blobs(2, 1<<40) + "}", "layer, empty": blobs(2, 0) + "}",
			"layer, twice": blobs(2, 7)[:len(blobs(2, 7))-1] + "," + descriptor("x/y", layer, 8, "") + "]}",
			"child":        indexed(len(child) + 1), "build cache": cached(8),
			"subject": blobs(2, 7) + `,"subject":` + stated(len(child)-1) + "}",
		} {
			if a := c.do("PUT", c.at("manifests/v1"), content); a.status != 400 || !bytes.Contains(a.body, []byte("SIZE_INVALID")) {
				c.t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
		c.do("GET", c.at("manifests/v1"), nil).is(404)
		foreign := descriptor("application/vnd.oci.image.layer.nondistributable.v1.tar", layer, 999, `,"urls":["https://example.com/x"]`)
		missing := descriptor(manifest.OCIManifest, digest.FromString("elsewhere"), 5, "")
		for name, content := range map[string]string{
			"all right": blobs(2, 7) + "}", "child": indexed(len(child)), "build cache": cached(7), "subject": blobs(2, 7) + `,"subject":` + stated(len(child)) + "}",
			"missing subject": blobs(2, 7) + `,"subject":` + missing + "}",
			"foreign layer":   blobs(2, 7)[:len(blobs(2, 7))-1] + "," + foreign + "]}",
		} {
			if a := c.do("PUT", c.at("manifests/v1"), content); a.status != 201 {
				c.t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
	}},
	{"what is no manifest is refused and names why", func(c *client) {
		d := c.push([]byte("{}"))
		config := `"config":` + descriptor("x/y", d, 2, "")
		for _, content := range []string{
			``, `x`, `[]`, `null`, `{}`, `{"schemaVersion":2}`, `{"schemaVersion":2,"mediaType":"text/plain"}`,
			`{"schemaVersion":2,"manifests":[],` + config + `}`,
			`{"schemaVersion":1,"fsLayers":[],"history":[]}`,
			`{"schemaVersion":2,"layers":[]}`,
			`{"schemaVersion":2,` + config + `,"layers":[],"layers":[]}`,
			`{"schemaVersion":2,"config":{"mediaType":"x/y","digest":"sha256:../../../etc/passwd","size":2}}`,
			`{"schemaVersion":2,"config":{"mediaType":"x/y","digest":"` + d.String() + `","size":-2}}`,
			`{"schemaVersion":2,` + config + `}trailing`,
		} {
			c.do("PUT", c.at("manifests/v1"), content).refused(400, "MANIFEST_INVALID")
		}
		deep := `{"schemaVersion":2,` + config + `,"x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`
		if status := c.do("PUT", c.at("manifests/v1"), deep).status; status != 400 && status != 413 {
			c.t.Errorf("a manifest nested 100000 deep: status %d", status)
		}
		c.do("GET", c.at("manifests/v1"), nil).is(404)
	}},
}
