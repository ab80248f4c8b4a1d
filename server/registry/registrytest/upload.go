package registrytest

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

var algorithms = []digest.Algorithm{digest.SHA256, digest.SHA512}

// sample is content of a given size that is the same every time.
func sample(size int) []byte {
	content := make([]byte, size)
	for i := range content {
		content[i] = byte((i>>8 ^ i*31) & 0xff)
	}
	return content
}

// readable checks that a blob is whole.
func (c *client) readable(d digest.Digest, content []byte) {
	c.t.Helper()
	c.do("GET", c.at("blobs/%s", d), nil).is(200).holds(content)
}

// absent checks that nothing is visible of a blob.
func (c *client) absent(d digest.Digest) {
	c.t.Helper()
	c.do("HEAD", c.at("blobs/%s", d), nil).is(404)
}

var monolithicRows = []row{
	{"POST MUST return 202 with a Location, PUT to it 201 with a pullable one (end-4a, end-6)", func(c *client) {
		content := sample(100_000)
		for _, algorithm := range algorithms {
			d := algorithm.FromBytes(content)
			session := c.do("POST", c.at("blobs/uploads/"), nil).is(202).has("Range", "0-0")
			if strings.Contains(session.header.Get("Location"), "://") {
				c.t.Errorf("Location %s is not relative", session.header.Get("Location"))
			}
			stored := c.do("PUT", session.location("digest", d.String()), content).is(201).has("Docker-Content-Digest", d.String())
			c.do("GET", stored.location(), nil).is(200).holds(content)
			c.readable(d, content)
		}
	}},
	{"POST without the slash at the end is the same", func(c *client) {
		c.do("POST", c.at("blobs/uploads"), nil).is(202)
	}},
	{"POST with ?digest and the whole blob MUST return 201 with a pullable Location (end-4b)", func(c *client) {
		content := sample(70_000)
		for _, algorithm := range algorithms {
			d := algorithm.FromBytes(content)
			stored := c.do("POST", c.at("blobs/uploads/?digest=%s", d), content).is(201).has("Docker-Content-Digest", d.String())
			c.do("GET", stored.location(), nil).is(200).holds(content)
		}
	}},
	{"POST with ?digest takes a body of unknown length and an empty one", func(c *client) {
		content := sample(3000)
		c.do("POST", c.at("blobs/uploads/?digest=%s", digest.FromBytes(content)), io.LimitReader(bytes.NewReader(content), 3000)).is(201)
		c.readable(digest.FromBytes(content), content)
		c.do("POST", c.at("blobs/uploads/?digest=%s", digest.FromBytes(nil)), nil).is(201)
		c.readable(digest.FromBytes(nil), nil)
	}},
	{"pushing what is there already is as good", func(c *client) {
		content := sample(1000)
		for range 2 {
			c.readable(c.push(content), content)
			c.do("POST", c.at("blobs/uploads/?digest=%s", digest.FromBytes(content)), content).is(201)
		}
	}},
	{"a PUT whose answer was lost gets the same answer again", func(c *client) {
		content := sample(5000)
		d := digest.FromBytes(content)
		session := c.do("POST", c.at("blobs/uploads/"), nil).is(202)
		for range 2 {
			c.do("PUT", session.location("digest", d.String()), content).is(201).has("Docker-Content-Digest", d.String())
		}
		c.do("PUT", session.location("digest", digest.FromString("absent").String()), content).refused(404, "BLOB_UPLOAD_UNKNOWN")
		c.readable(d, content)
	}},
	{"a digest that does not match MUST be refused, and nothing is visible", func(c *client) {
		content := sample(5000)
		for _, algorithm := range algorithms {
			d := algorithm.FromString("something else")
			c.do("POST", c.at("blobs/uploads/?digest=%s", d), content).refused(400, "DIGEST_INVALID")
			session := c.do("POST", c.at("blobs/uploads/"), nil).is(202)
			c.do("PUT", session.location("digest", d.String()), content).refused(400, "DIGEST_INVALID")
			session = c.do("POST", c.at("blobs/uploads/"), nil).is(202)
			session = c.do("PATCH", session.location(), content).is(202)
			c.do("PUT", session.location("digest", d.String()), nil).refused(400, "DIGEST_INVALID")
			c.absent(d)
			c.absent(algorithm.FromBytes(content))
		}
	}},
	{"PUT without a digest, or with one that is none, is refused", func(c *client) {
		session := c.do("POST", c.at("blobs/uploads/"), nil).is(202)
		c.do("PUT", session.location(), "x").refused(400, "DIGEST_INVALID")
		c.do("PUT", session.location("digest", "sha256:x"), "x").refused(400, "DIGEST_INVALID")
		c.do("PUT", session.location("digest", digest.FromString("x").String(), "digest", digest.FromString("y").String()), "x").refused(400, "QUERY_INVALID")
		c.do("PUT", session.location("digest", digest.FromString("x").String()), "x").is(201)
		c.do("POST", c.at("blobs/uploads/?digest=x"), "x").refused(400, "DIGEST_INVALID")
	}},
	{"digest-algorithm is taken, and need not be what the upload ends with", func(c *client) {
		content := sample(5000)
		for _, begun := range []string{"", "sha256", "sha512"} {
			for _, algorithm := range algorithms {
				session := c.do("POST", c.at("blobs/uploads/?digest-algorithm=%s", begun), nil).is(202)
				session = c.do("PATCH", session.location(), content[:2000]).is(202)
				d := algorithm.FromBytes(content)
				c.do("PUT", session.location("digest", d.String()), content[2000:]).is(201)
				c.readable(d, content)
				c.do("DELETE", c.at("blobs/%s", d), nil).is(202)
			}
		}
		c.do("POST", c.at("blobs/uploads/?digest-algorithm=md5"), nil).refused(400, "DIGEST_INVALID")
	}},
}

// chunked sends content as three chunks, each with a Content-Range that form writes; the last one by PUT.
func (c *client) chunked(content []byte, form func(from, to int) string) {
	c.t.Helper()
	third := len(content) / 3
	session := c.do("POST", c.at("blobs/uploads/"), nil).is(202)
	for i := range 2 {
		from, to := i*third, (i+1)*third
		session = c.do("PATCH", session.location(), content[from:to], head{"Content-Range", form(from, to-1)}).is(202).has("Range", fmt.Sprintf("0-%d", to-1))
	}
	d := digest.FromBytes(content)
	c.do("PUT", session.location("digest", d.String()), content[2*third:], head{"Content-Range", form(2*third, len(content)-1)}).is(201).has("Docker-Content-Digest", d.String())
	c.readable(d, content)
}

var chunkRows = []row{
	{"each chunk MUST be answered with 202, Location and Range; PUT closes (end-5, end-6)", func(c *client) {
		content := sample(3000)
		session := c.do("POST", c.at("blobs/uploads/"), nil).is(202)
		for from := 0; from < 3000; from += 1000 {
			session = c.do("PATCH", session.location(), content[from:from+1000], head{"Content-Range", fmt.Sprintf("%d-%d", from, from+999)}).
				is(202).has("Range", fmt.Sprintf("0-%d", from+999))
		}
		stored := c.do("PUT", session.location("digest", digest.FromBytes(content).String()), nil).is(201)
		c.do("GET", stored.location(), nil).is(200).holds(content)
	}},
	{"the last chunk MAY come with the PUT; every form of Content-Range is understood", func(c *client) {
		for i, form := range []func(from, to int) string{
			func(from, to int) string { return fmt.Sprintf("%d-%d", from, to) },
			func(from, to int) string { return fmt.Sprintf("bytes %d-%d/3100", from, to) },
			func(from, to int) string { return fmt.Sprintf("bytes %d-%d/*", from, to) },
			func(from, to int) string { return fmt.Sprintf("bytes=%d-%d", from, to) },
		} {
			c.chunked(append(sample(3099), byte(i)), form)
		}
	}},
	{"PATCH without Content-Range streams, its length known or not", func(c *client) {
		content := sample(300_000)
		d := digest.FromBytes(content)
		session := c.do("POST", c.at("blobs/uploads/"), nil).is(202)
		session = c.do("PATCH", session.location(), io.LimitReader(bytes.NewReader(content), 200_000)).is(202).has("Range", "0-199999")
		session = c.do("PATCH", session.location(), content[200_000:]).is(202).has("Range", "0-299999")
		c.do("PUT", session.location("digest", d.String()), nil).is(201)
		c.readable(d, content)
	}},
	{"GET of the session MUST return 204 with Range and Location (end-13)", func(c *client) {
		session := c.do("POST", c.at("blobs/uploads/"), nil).is(202)
		c.do("GET", session.location(), nil).is(204).has("Range", "0-0")
		session = c.do("PATCH", session.location(), sample(700)).is(202)
		stands := c.do("GET", session.location(), nil).is(204).has("Range", "0-699").holds(nil)
		c.do("PATCH", stands.location(), sample(1), head{"Content-Range", "700-700"}).is(202).has("Range", "0-700")
	}},
	{"a chunk out of order MUST be answered with 416, and the upload goes on", func(c *client) {
		content := sample(3000)
		d := digest.FromBytes(content)
		session := c.do("POST", c.at("blobs/uploads/"), nil).is(202)
		c.do("PATCH", session.location(), content[1000:2000], head{"Content-Range", "1000-1999"}).refused(416, "BLOB_UPLOAD_INVALID").has("Range", "0-0")
		session = c.do("PATCH", session.location(), content[:1000], head{"Content-Range", "0-999"}).is(202)
		for _, wrong := range []string{"0-999", "2000-2999", "999-1998"} {
			refused := c.do("PATCH", session.location(), sample(1000), head{"Content-Range", wrong}).refused(416, "BLOB_UPLOAD_INVALID").has("Range", "0-999")
			c.do("GET", refused.location(), nil).is(204).has("Range", "0-999")
		}
		c.do("PUT", session.location("digest", d.String()), content[2000:], head{"Content-Range", "2000-2999"}).refused(416, "BLOB_UPLOAD_INVALID").has("Range", "0-999")
		session = c.do("PATCH", session.location(), content[1000:2000], head{"Content-Range", "1000-1999"}).is(202)
		c.do("PUT", session.location("digest", d.String()), content[2000:], head{"Content-Range", "2000-2999"}).is(201)
		c.readable(d, content)
	}},
	{"a Content-Range that cannot be read is 416, one of another length than the body 400", func(c *client) {
		session := c.do("POST", c.at("blobs/uploads/"), nil).is(202)
		for _, header := range []string{"x", "10", "5-1", "-5", "0-", "bytes 0-9/5", "0-99999999999999999999", "bytes */10"} {
			c.do("PATCH", session.location(), sample(10), head{"Content-Range", header}).refused(416, "BLOB_UPLOAD_INVALID").has("Range", "0-0")
		}
		c.do("PATCH", session.location(), sample(10), head{"Content-Range", "0-4"}).refused(400, "SIZE_INVALID")
		c.do("GET", session.location(), nil).is(204).has("Range", "0-0")
	}},
	{"DELETE cancels with 204; the session is then unknown", func(c *client) {
		session := c.do("POST", c.at("blobs/uploads/"), nil).is(202)
		session = c.do("PATCH", session.location(), sample(10)).is(202)
		c.do("DELETE", session.location(), nil).is(204)
		c.do("GET", session.location(), nil).refused(404, "BLOB_UPLOAD_UNKNOWN")
		c.do("PATCH", session.location(), sample(10)).refused(404, "BLOB_UPLOAD_UNKNOWN")
		c.do("PUT", session.location("digest", digest.FromBytes(sample(10)).String()), nil).refused(404, "BLOB_UPLOAD_UNKNOWN")
		c.do("DELETE", session.location(), nil).refused(404, "BLOB_UPLOAD_UNKNOWN")
	}},
	{"of chunks for the same place that come at once one is taken", func(c *client) {
		content := sample(4000)
		d := digest.FromBytes(content)
		session := c.do("POST", c.at("blobs/uploads/"), nil).is(202)
		for from := 0; from < 4000; from += 2000 {
			count := atOnce(6, func(int) (*http.Request, error) {
				req, err := http.NewRequest("PATCH", c.base+session.location(), bytes.NewReader(content[from:from+2000]))
				if err == nil {
					req.Header.Set("Content-Range", fmt.Sprintf("%d-%d", from, from+1999))
				}
				return req, err
			})
			if count[202] != 1 || count[416] != 5 {
				c.t.Fatalf("statuses %v", count)
			}
		}
		count := atOnce(4, func(int) (*http.Request, error) {
			return http.NewRequest("PUT", c.base+session.location("digest", d.String()), nil)
		})
		if count[201] != 4 { // once it is finished, repetitions find the blob
			c.t.Errorf("finishing at once: statuses %v", count)
		}
		c.readable(d, content)
	}},
	{"a finished session is unknown", func(c *client) {
		session := c.do("POST", c.at("blobs/uploads/"), nil).is(202)
		c.do("PUT", session.location("digest", digest.FromBytes(sample(10)).String()), sample(10)).is(201)
		c.do("GET", session.location(), nil).refused(404, "BLOB_UPLOAD_UNKNOWN")
	}},
	{"a session is nobody else's and in no other repository", func(c *client) {
		session := c.do("POST", c.at("blobs/uploads/"), nil).is(202)
		id := session.location()[strings.LastIndex(session.location(), "/")+1:]
		other := c.in("other")
		for _, id := range []string{id, strings.Repeat("0", 32), "x", strings.ToUpper(id), id + "0", strings.Repeat("%2e", 2)} {
			status := other.do("GET", other.at("blobs/uploads/%s", id), nil).status
			if status != 404 && status != 400 {
				c.t.Errorf("session %s in another repository: status %d", id, status)
			}
		}
		other.do("PATCH", other.at("blobs/uploads/%s", id), "x").refused(404, "BLOB_UPLOAD_UNKNOWN")
		other.do("DELETE", other.at("blobs/uploads/%s", id), nil).refused(404, "BLOB_UPLOAD_UNKNOWN")
		c.do("GET", session.location(), nil).is(204)
	}},
}

// cutOff sends the head of a request that announces size bytes, and content, and hangs up.
func (c *client) cutOff(method, path string, content []byte, size int) {
	c.t.Helper()
	u, err := url.Parse(c.base)
	if err != nil {
		c.t.Fatal(err)
	}
	if u.Scheme != "http" {
		c.t.Skip("cut off by hand only over plain HTTP")
	}
	conn, err := net.DialTimeout("tcp", u.Host, 5*time.Second)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", method, path, u.Host, size, content)
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	answer, _ := io.ReadAll(conn) // the server is done with the request once it hangs up too
	if bytes.HasPrefix(answer, []byte("HTTP/1.1 2")) {
		c.t.Errorf("%s of half a body was answered with %.100q", method, answer)
	}
}

var brokenRows = []row{
	{"a body that stops mid-way leaves nothing visible", func(c *client) {
		content := sample(4000)
		d := digest.FromBytes(content)
		c.cutOff("POST", c.at("blobs/uploads/?digest=%s", d), content[:2500], len(content))
		session := c.do("POST", c.at("blobs/uploads/"), nil).is(202)
		c.cutOff("PUT", session.location("digest", d.String()), content[:2500], len(content))
		c.absent(d)
		c.absent(digest.FromBytes(content[:2500]))
		c.cutOff("PUT", c.at("manifests/half"), c.image("a", "")[:50], 500)
		c.do("GET", c.at("manifests/half"), nil).is(404)
	}},
	{"an upload that was cut goes on where it stands", func(c *client) {
		content := sample(100_000)
		d := digest.FromBytes(content)
		session := c.do("POST", c.at("blobs/uploads/"), nil).is(202)
		session = c.do("PATCH", session.location(), content[:40_000], head{"Content-Range", "0-39999"}).is(202)
		c.cutOff("PATCH", session.location(), content[40_000:70_000], 60_000)
		stands := c.do("GET", session.location(), nil).is(204)
		var last int
		if _, err := fmt.Sscanf(stands.header.Get("Range"), "0-%d", &last); err != nil || last < 39_999 || last > 69_999 {
			c.t.Fatalf("the upload stands at %q", stands.header.Get("Range"))
		}
		c.do("PATCH", stands.location(), content[last+1:], head{"Content-Range", fmt.Sprintf("%d-99999", last+1)}).is(202)
		c.do("PUT", stands.location("digest", d.String()), nil).is(201)
		c.readable(d, content)
	}},
	{"a Content-Range longer than a body of unknown length is refused", func(c *client) {
		session := c.do("POST", c.at("blobs/uploads/"), nil).is(202)
		c.do("PATCH", session.location(), io.LimitReader(bytes.NewReader(sample(10)), 10), head{"Content-Range", "0-99"}).refused(400, "SIZE_INVALID")
		c.do("PATCH", c.start(""), io.LimitReader(bytes.NewReader(sample(100)), 100), head{"Content-Range", "0-9"}).refused(400, "SIZE_INVALID")
	}},
}

var mountRows = []row{
	{"a mount MUST return 201 with the Location of the blob here (end-11)", func(c *client) {
		content, from := sample(900), c.in("from")
		for _, algorithm := range algorithms {
			d := from.pushAs(content, algorithm)
			c.absent(d)
			mounted := c.do("POST", c.at("blobs/uploads/?mount=%s&from=%s", d, from.repo), nil).is(201).has("Docker-Content-Digest", d.String())
			c.do("GET", mounted.location(), nil).is(200).holds(content)
			from.do("DELETE", from.at("blobs/%s", d), nil).is(202)
			c.readable(d, content)
		}
	}},
	{"a mount without from SHOULD find a source by itself", func(c *client) {
		content := []byte("mounted from anywhere")
		d := c.in("from").push(content)
		c.do("POST", c.at("blobs/uploads/?mount=%s", d), nil).is(201)
		c.readable(d, content)
	}},
	{"mounting what is here already is 201", func(c *client) {
		d := c.push([]byte("x"))
		c.do("POST", c.at("blobs/uploads/?mount=%s&from=%s", d, c.in("unknown").repo), nil).is(201)
	}},
	{"a mount that cannot be done SHOULD return 202 with a session to push to", func(c *client) {
		content := []byte("not anywhere yet")
		for _, algorithm := range algorithms {
			d := algorithm.FromBytes(content)
			for _, query := range []string{"?mount=%s", "?mount=%s&from=" + c.in("unknown").repo, "?mount=%s&from=NOT-A-NAME"} {
				session := c.do("POST", c.at("blobs/uploads/"+query, d), nil).is(202)
				c.do("PUT", session.location("digest", d.String()), content).is(201)
				c.readable(d, content)
				c.do("DELETE", c.at("blobs/%s", d), nil).is(202)
			}
		}
	}},
	{"a blob of a third repository is not mounted from one that has it not", func(c *client) {
		d := c.in("third").push([]byte("of the third"))
		c.in("from").push([]byte("of from"))
		c.do("POST", c.at("blobs/uploads/?mount=%s&from=%s", d, c.in("from").repo), nil).is(202)
		c.absent(d)
	}},
	{"a mount of a digest that is none is refused", func(c *client) {
		c.do("POST", c.at("blobs/uploads/?mount=x"), nil).refused(400, "DIGEST_INVALID")
	}},
}
