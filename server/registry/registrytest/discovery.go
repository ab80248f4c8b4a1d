package registrytest

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
)

var tagRows = []row{
	{"GET MUST return 200 with name and tags in lexical order (end-8a)", func(c *client) {
		content := c.image("a", "")
		for _, tag := range []string{"v10", "v2", "B", "a", "_x", "v1.0", "v1-0"} {
			c.put(tag, content).is(201)
		}
		want := []string{"B", "_x", "a", "v1-0", "v1.0", "v10", "v2"}
		a := c.do("GET", c.at("tags/list"), nil).is(200).has("Content-Type", "application/json").has("Link", "")
		var body struct {
			Name string
			Tags []string
		}
		if err := json.Unmarshal(a.body, &body); err != nil || body.Name != c.repo {
			c.t.Errorf("%s: %v", a.body, err)
		}
		c.same(body.Tags, want)

		for n := 1; n <= len(want)+1; n++ {
			all, pages := c.list(c.at("tags/list?n=%d", n), "tags")
			c.same(all, want)
			if most := (len(want) + n - 1) / n; pages > most {
				c.t.Errorf("%d pages of %d", pages, n)
			}
		}
	}},
	{"n MUST NOT be exceeded, last MUST be left out (end-8b)", func(c *client) {
		content := c.image("a", "")
		for _, tag := range []string{"a", "b", "c", "d"} {
			c.put(tag, content).is(201)
		}
		for query, want := range map[string]string{
			"n=2": `["a","b"]`, "n=2&last=b": `["c","d"]`, "last=b": `["c","d"]`, "last=bb": `["c","d"]`, "n=1&last=": `["a"]`, "last=d": `[]`, "last=zzz": `[]`,
			"n=1000000": `["a","b","c","d"]`, "n=99999999999999999999": `["a","b","c","d"]`,
		} {
			c.do("GET", c.at("tags/list?%s", query), nil).is(200).holds(fmt.Appendf(nil, `{"name":%q,"tags":%s}`, c.repo, want))
		}
	}},
	{"n of zero MUST return an empty list and MUST NOT include Link", func(c *client) {
		c.put("a", c.image("a", "")).is(201)
		c.do("GET", c.at("tags/list?n=0"), nil).is(200).holds(fmt.Appendf(nil, `{"name":%q,"tags":[]}`, c.repo)).has("Link", "")
	}},
	{"n that is no number is refused", func(c *client) {
		c.put("a", c.image("a", "")).is(201)
		for _, n := range []string{"-1", "x", "1.5", "0x10", "%20"} {
			c.do("GET", c.at("tags/list?n=%s", n), nil).refused(400, "PAGINATION_NUMBER_INVALID")
		}
		c.do("GET", c.at("tags/list?n=1&n=2"), nil).refused(400, "QUERY_INVALID")
		c.do("GET", c.at("tags/list?last=%s", strings.Repeat("a", 10_000)), nil).refused(400, "QUERY_INVALID")
		c.do("GET", c.at("tags/list?last=%%00"), nil).refused(400, "QUERY_INVALID")
	}},
	{"a repository without a tag has an empty list, one that is not there none", func(c *client) {
		c.putDigest(c.image("a", ""))
		c.do("GET", c.at("tags/list"), nil).is(200).holds(fmt.Appendf(nil, `{"name":%q,"tags":[]}`, c.repo))
		c.in("unknown").do("GET", c.in("unknown").at("tags/list"), nil).refused(404, "NAME_UNKNOWN")
	}},
}

var catalogRows = []row{
	{"the list equals what was pushed, for names that are prefixes of one another, page by page", func(c *client) {
		var want []string
		for _, suffix := range []string{"", "-b", "/b", ".b", "_b", "b", "/b/c", "-b/c", "/b-c", "0", "/0", "--b"} {
			other := *c
			other.repo = c.repo + "/a" + suffix
			other.put("v1", other.image("a", "")).is(201)
			want = append(want, other.repo)
		}
		slices.Sort(want)
		for _, n := range []int{1, 2, 3, 100} {
			all, _ := c.list(fmt.Sprintf("/v2/_catalog?n=%d&last=%s", n, url.QueryEscape(c.repo)), "repositories")
			all = slices.DeleteFunc(all, func(name string) bool { return !strings.HasPrefix(name, c.repo+"/") })
			c.same(all, want)
		}
	}},
	{"the lists equal what was pushed, whatever the names", func(c *client) {
		random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same names every time
		repositories, tags := map[string]bool{}, map[string]bool{}
		for range 25 {
			name := word(random, c.repo+"/a", "a", "b", "-a", "/a", ".a", "_a", "__a", "/b", "0")
			other := *c
			other.repo = name
			other.push([]byte("x"))
			repositories[name] = true
		}
		content := c.image("a", "")
		for len(tags) < 25 {
			tag := word(random, "t", "a", "B", "-", ".", "_", "0", "t")
			if !tags[tag] {
				c.put(tag, content).is(201)
			}
			tags[tag] = true
		}
		for _, n := range []int{1, 3, 7, 100} {
			all, _ := c.list(c.at("tags/list?n=%d", n), "tags")
			c.same(all, slices.Sorted(maps.Keys(tags)))
			all, _ = c.list(fmt.Sprintf("/v2/_catalog?n=%d&last=%s", n, url.QueryEscape(c.repo)), "repositories")
			all = slices.DeleteFunc(all, func(name string) bool { return !strings.HasPrefix(name, c.repo+"/") })
			c.same(all, slices.Sorted(maps.Keys(repositories)))
		}
	}},
	{"n of zero is an empty list", func(c *client) {
		c.do("GET", "/v2/_catalog?n=0", nil).is(200).holds([]byte(`{"repositories":[]}`)).has("Link", "")
		c.do("GET", "/v2/_catalog?last=zzzzzzzz", nil).is(200).holds([]byte(`{"repositories":[]}`))
		c.do("GET", "/v2/_catalog?n=x", nil).refused(400, "PAGINATION_NUMBER_INVALID")
	}},
}

// word puts up to four of the parts behind a beginning.
func word(random *rand.Rand, beginning string, parts ...string) string {
	var b strings.Builder
	b.WriteString(beginning)
	for range random.IntN(5) {
		b.WriteString(parts[random.IntN(len(parts))])
	}
	return b.String()
}

// referrers lists what refers to a digest, following links.
func (c *client) referrers(d digest.Digest, query string) (all []manifest.Descriptor, first answer) {
	c.t.Helper()
	path := c.at("referrers/%s%s", d, query)
	for path != "" {
		a := c.do("GET", path, nil).is(200).has("Content-Type", manifest.OCIIndex)
		var page struct {
			SchemaVersion int
			MediaType     string
			Manifests     []manifest.Descriptor
		}
		if err := json.Unmarshal(a.body, &page); err != nil || page.SchemaVersion != 2 || page.MediaType != manifest.OCIIndex || page.Manifests == nil {
			c.t.Fatalf("%s is no index: %s", a.what, a.body)
		}
		if first.header == nil {
			first = a
		}
		all, path = append(all, page.Manifests...), a.next()
	}
	return all, first
}

// refers checks the digests of a listing of referrers, in any order.
func (c *client) refers(got []manifest.Descriptor, want ...[]byte) {
	c.t.Helper()
	var names, wanted []string
	for _, d := range got {
		names = append(names, d.Digest.String())
	}
	for _, content := range want {
		wanted = append(wanted, digest.FromBytes(content).String())
	}
	slices.Sort(names)
	slices.Sort(wanted)
	c.same(names, wanted)
}

var referrerRows = []row{
	{"GET MUST return 200 with an index, empty where nothing refers (end-12a)", func(c *client) {
		unknown := digest.FromString("unknown")
		list, _ := c.referrers(unknown, "")
		c.refers(list)
		c.putDigest(c.image("a", ""))
		list, _ = c.referrers(unknown, "")
		c.refers(list)
	}},
	{"each entry MUST have mediaType, digest, size, artifactType and annotations", func(c *client) {
		image := c.image("a", "")
		d := c.putDigest(image)
		notes := `,"annotations":{"org.example":"hello"}`
		artifact, plain, list := c.artifact("application/x.sbom", subject(image)+notes), c.image("b", subject(image)), index(`,"artifactType":"application/x.list"`+subject(image)+notes)
		for _, content := range [][]byte{artifact, plain, list} {
			c.putDigest(content)
		}
		c.put("tagged", artifact).is(201)
		all, first := c.referrers(d, "")
		c.refers(all, artifact, plain, list)
		first.has("OCI-Filters-Applied", "")
		for _, entry := range all {
			var content []byte
			artifactType, note := "", "hello"
			switch entry.Digest {
			case digest.FromBytes(artifact):
				content, artifactType = artifact, "application/x.sbom"
			case digest.FromBytes(plain):
				content, artifactType, note = plain, "application/vnd.oci.image.config.v1+json", ""
			default:
				content, artifactType = list, "application/x.list"
			}
			if entry.MediaType != typeOf(content) || entry.Size != int64(len(content)) || entry.ArtifactType != artifactType || entry.Annotations["org.example"] != note {
				c.t.Errorf("entry %+v", entry)
			}
		}
	}},
	{"a filter by artifactType MUST be told with OCI-Filters-Applied (end-12b)", func(c *client) {
		image := c.image("a", "")
		d := c.putDigest(image)
		one, two := c.artifact("application/x.one+json", subject(image)), c.artifact("application/x.two", subject(image))
		c.putDigest(one)
		c.putDigest(two)
		all, first := c.referrers(d, "?artifactType="+url.QueryEscape("application/x.one+json"))
		c.refers(all, one)
		first.has("OCI-Filters-Applied", "artifactType")
		all, _ = c.referrers(d, "?artifactType=none/such")
		c.refers(all)
	}},
	{"pages are linked", func(c *client) {
		image := c.image("a", "")
		d := c.putDigest(image)
		var want [][]byte
		for i := range 7 {
			want = append(want, c.artifact(fmt.Sprintf("text/x%d", i), subject(image)))
			c.putDigest(want[i])
		}
		for _, n := range []int{1, 3, 7, 8} {
			all, _ := c.referrers(d, fmt.Sprintf("?n=%d", n))
			c.refers(all, want...)
		}
	}},
	{"a referrer of a missing subject is listed, for that subject and no other", func(c *client) {
		image := c.image("a", "")
		artifact := c.artifact("text/x", subject(image))
		c.putDigest(artifact)
		all, _ := c.referrers(digest.FromBytes(image), "")
		c.refers(all, artifact)
		all, _ = c.referrers(digest.FromBytes(artifact), "")
		c.refers(all)
		all, _ = c.in("other").referrers(digest.FromBytes(image), "")
		c.refers(all)
	}},
	{"a subject by sha512 is one of its own", func(c *client) {
		image := c.image("a", "")
		d := digest.SHA512.FromBytes(image)
		artifact := c.artifact("text/x", `,"subject":`+descriptor(manifest.OCIManifest, d, len(image), ""))
		c.put(digest.FromBytes(artifact).String(), artifact).is(201).has("OCI-Subject", d.String())
		all, _ := c.referrers(d, "")
		c.refers(all, artifact)
		all, _ = c.referrers(digest.FromBytes(image), "")
		c.refers(all)
	}},
	{"a referrer that was deleted is not listed", func(c *client) {
		image := c.image("a", "")
		one, two := c.artifact("text/one", subject(image)), c.artifact("text/two", subject(image))
		c.putDigest(one)
		c.putDigest(two)
		c.do("DELETE", c.at("manifests/%s", digest.FromBytes(one)), nil).is(202)
		all, _ := c.referrers(digest.FromBytes(image), "")
		c.refers(all, two)
	}},
	{"the tag schema of clients without this API keeps working", func(c *client) {
		image := c.image("a", "")
		d := c.putDigest(image)
		artifact := c.artifact("text/x", "")
		c.putDigest(artifact)
		tag := strings.Replace(d.String(), ":", "-", 1)
		c.do("GET", c.at("manifests/%s", tag), nil).refused(404, "MANIFEST_UNKNOWN")
		c.put(tag, index("", artifact)).is(201)
		c.kept(tag, index("", artifact))
	}},
	{"a digest that is none MUST be refused", func(c *client) {
		c.do("GET", c.at("referrers/sha256:x"), nil).refused(400, "DIGEST_INVALID")
		c.do("GET", c.at("referrers/latest"), nil).refused(400, "DIGEST_INVALID")
	}},
}
