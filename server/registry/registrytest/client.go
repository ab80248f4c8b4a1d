package registrytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
)

// client talks to the registry for one row. Every method fails the test where something is not as it must be.
type client struct {
	t    *testing.T
	base string
	repo string // the row's repository
	user string // in the Authorization header; empty: none
}

func newClient(t *testing.T, base, section string, row int) *client {
	return &client{t: t, base: base, repo: fmt.Sprintf("suite/%s/%d", strings.ReplaceAll(section, " ", "-"), row)}
}

// in returns a client for another repository beside the row's.
func (c *client) in(name string) *client {
	other := *c
	other.repo = c.repo + "-" + name
	return &other
}

// answer is a response, read.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
	what   string
}

// head is one header of a request.
type head struct{ key, value string }

// do sends a request. The path is relative to the root, or what a Location header said. A body that is an io.Reader of an unknown length
// goes out in chunks of HTTP.
func (c *client) do(method, path string, body any, headers ...head) answer {
	c.t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		reader = bytes.NewReader(b)
	case string:
		reader = strings.NewReader(b)
	case io.Reader:
		reader = io.MultiReader(b)
	}
	if strings.HasPrefix(path, "/") {
		path = c.base + path
	}
	req, err := http.NewRequest(method, path, reader)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, h := range headers {
		req.Header.Set(h.key, h.value)
	}
	if c.user != "" {
		req.SetBasicAuth(c.user, "x")
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer{c.t, resp.StatusCode, resp.Header, content, method + " " + path}
}

// at returns a path in the row's repository.
func (c *client) at(format string, arguments ...any) string {
	return "/v2/" + c.repo + "/" + fmt.Sprintf(format, arguments...)
}

// atOnce runs request n times at once and returns how often each status was answered; 0 stands for a request that failed.
func atOnce(n int, request func(i int) (*http.Request, error)) map[int]int {
	statuses := make(chan int)
	for i := range n {
		go func() {
			req, err := request(i)
			if err != nil {
				statuses <- 0
				return
			}
			resp, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				statuses <- 0
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			statuses <- resp.StatusCode
		}()
	}
	count := map[int]int{}
	for range n {
		count[<-statuses]++
	}
	return count
}

// is checks the status.
func (a answer) is(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: status %d, want %d: %.500s", a.what, a.status, status, a.body)
	}
	return a
}

// has checks a header.
func (a answer) has(key, value string) answer {
	a.t.Helper()
	if got := a.header.Get(key); got != value {
		a.t.Errorf("%s: %s is %q, want %q", a.what, key, got, value)
	}
	return a
}

// holds checks the body.
func (a answer) holds(content []byte) answer {
	a.t.Helper()
	if !bytes.Equal(a.body, content) {
		a.t.Errorf("%s: the body is %.200q (%d bytes), want %.200q (%d bytes)", a.what, a.body, len(a.body), content, len(content))
	}
	return a
}

// refused checks status, code and shape of an error (distribution-spec, "Error Codes").
func (a answer) refused(status int, code string) answer {
	a.t.Helper()
	a.is(status)
	var body struct {
		Errors []struct{ Code, Message string }
	}
	if err := json.Unmarshal(a.body, &body); err != nil || len(body.Errors) != 1 {
		a.t.Fatalf("%s: the body is %q, not one error", a.what, a.body)
	}
	if body.Errors[0].Code != code || body.Errors[0].Message == "" {
		a.t.Errorf("%s: the error is %+v, want %s", a.what, body.Errors[0], code)
	}
	a.has("Content-Type", "application/json; charset=utf-8")
	a.has("Docker-Distribution-Api-Version", "registry/2.0")
	return a
}

// location returns where Location leads, with parameters added.
func (a answer) location(parameters ...string) string {
	a.t.Helper()
	text := a.header.Get("Location")
	u, err := url.Parse(text)
	if err != nil || text == "" {
		a.t.Fatalf("%s: Location is %q", a.what, text)
	}
	q := u.Query()
	for pair := range slices.Chunk(parameters, 2) {
		q.Add(pair[0], pair[1])
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// start opens an upload session and returns where it is.
func (c *client) start(query string) string {
	c.t.Helper()
	return c.do("POST", c.at("blobs/uploads/%s", query), nil).is(202).location()
}

// push pushes a blob and returns its sha256 digest.
func (c *client) push(content []byte) digest.Digest {
	c.t.Helper()
	return c.pushAs(content, digest.SHA256)
}

func (c *client) pushAs(content []byte, algorithm digest.Algorithm) digest.Digest {
	c.t.Helper()
	d := algorithm.FromBytes(content)
	session := c.do("POST", c.at("blobs/uploads/"), nil).is(202)
	c.do("PUT", session.location("digest", d.String()), content).is(201)
	return d
}

// descriptor is a content descriptor as JSON.
func descriptor(mediaType string, d digest.Digest, size int, more string) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d%s}`, mediaType, d, size, more)
}

// image pushes the blobs of an image manifest, made different by seed, and returns the manifest's bytes. More stands within the manifest
// and starts with a comma.
func (c *client) image(seed, more string) []byte {
	c.t.Helper()
	config, layer := []byte(`{"seed":"`+seed+`"}`), []byte("layer of "+seed)
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]%s}`, manifest.OCIManifest,
		descriptor("application/vnd.oci.image.config.v1+json", c.push(config), len(config), ""),
		descriptor("application/vnd.oci.image.layer.v1.tar", c.push(layer), len(layer), ""), more)
}

// index is an index of manifests.
func index(more string, children ...[]byte) []byte {
	var entries []string
	for _, child := range children {
		entries = append(entries, descriptor(typeOf(child), digest.FromBytes(child), len(child), ""))
	}
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[%s]%s}`, manifest.OCIIndex, strings.Join(entries, ","), more)
}

func typeOf(content []byte) string {
	var m struct{ MediaType string }
	_ = json.Unmarshal(content, &m)
	return m.MediaType
}

// put pushes a manifest under a tag or a digest, with parameters.
func (c *client) put(ref string, content []byte, more ...head) answer {
	c.t.Helper()
	return c.do("PUT", c.at("manifests/%s", ref), content, append(more, head{"Content-Type", typeOf(content)})...)
}

// putDigest pushes a manifest by its sha256 digest and returns that.
func (c *client) putDigest(content []byte) digest.Digest {
	c.t.Helper()
	d := digest.FromBytes(content)
	c.put(d.String(), content).is(201)
	return d
}

// list returns all that a listing has in the field of its pages, following their links, and how many pages there were.
func (c *client) list(path, field string) (all []string, pages int) {
	c.t.Helper()
	for path != "" {
		a := c.do("GET", path, nil).is(200)
		var page map[string]json.RawMessage
		var names []string
		if err := json.Unmarshal(a.body, &page); err != nil {
			c.t.Fatal(err)
		}
		if err := json.Unmarshal(page[field], &names); err != nil || names == nil {
			c.t.Fatalf("%s: %s is no list in %s", a.what, field, a.body)
		}
		all, pages, path = append(all, names...), pages+1, a.next()
		if pages > 1000 {
			c.t.Fatal("the links lead in circles")
		}
	}
	return all, pages
}

// next returns where the Link header leads; empty where there is none.
func (a answer) next() string {
	link := a.header.Get("Link")
	if link == "" {
		return ""
	}
	target, ok := strings.CutSuffix(link, `>; rel="next"`)
	target, ok2 := strings.CutPrefix(target, "<")
	if !ok || !ok2 || !strings.HasPrefix(target, "/") {
		a.t.Fatalf("%s: Link is %q", a.what, link)
	}
	return target
}

// same checks a list.
func (c *client) same(got, want []string) {
	c.t.Helper()
	if !slices.Equal(got, want) {
		c.t.Errorf("got %q, want %q", got, want)
	}
}
