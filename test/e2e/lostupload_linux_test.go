package e2e

import (
	"fmt"
	"net/http"
	"testing"
)

// TestFailedWriteBackOfUpload starts an upload, lets the device refuse one block of it, evicts the
// pages, and finishes the upload in several ways. Whatever the server answers, it must not promise
// content that it does not have (P1), nor serve wrong bytes (P2), and a new push must succeed.
func TestFailedWriteBackOfUpload(t *testing.T) {
	for n, c := range []struct {
		name    string
		between func(t *testing.T, o *outage)
	}{
		{"same server", func(t *testing.T, o *outage) {
			o.lose(t)
		}},
		{"server killed", func(t *testing.T, o *outage) {
			o.server.kill()
			o.lose(t)
			o.serve()
		}},
		{"server killed after the loss", func(t *testing.T, o *outage) {
			o.lose(t)
			o.server.kill()
			o.serve()
		}},
		{"volume mounted again", func(t *testing.T, o *outage) {
			o.server.kill()
			o.remount(t)
			o.serve()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := startOutage(t, "ext4")
			content := noise(uint64(100+n), 3<<20)
			o.fail(content[1<<20:], 1)
			last, acknowledged := o.startUpload(t, content[:2<<20])
			c.between(t, o)
			if o.fault.Hits() == 0 {
				t.Fatal("the device refused no write")
			}
			if acknowledged {
				o.finishUpload(t, last, content)
			}
			o.pushAndRead(t, "the whole content again", content)
			o.server.kill()
			o.remount(t)
			o.serve()
			o.mustRead(t, "after the restart", content)
		})
	}
}

// startUpload starts an upload with its first chunk. It reports whether the chunk was accepted.
func (o *outage) startUpload(t *testing.T, chunk []byte) (last answer, accepted bool) {
	t.Helper()
	last, err := o.request(o.client, admin, "POST", "/v2/"+outageRepository+"/blobs/uploads/", []byte{})
	if err != nil || last.status != http.StatusAccepted {
		t.Fatalf("start upload: %v %d", err, last.status)
	}
	last, err = o.request(o.client, admin, "PATCH", last.header.Get("Location"), chunk,
		"Content-Type", "application/octet-stream", "Content-Range", fmt.Sprintf("0-%d", len(chunk)-1))
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return last, last.status == http.StatusAccepted
}

// finishUpload appends the rest of content behind what the server says that it has. An error is
// acceptable. A 201 must be true.
func (o *outage) finishUpload(t *testing.T, last answer, content []byte) {
	t.Helper()
	location := last.header.Get("Location")
	state, err := o.request(o.client, admin, "GET", location, nil)
	if err != nil {
		t.Fatalf("get the state of the upload: %v", err)
	}
	if state.status != http.StatusNoContent {
		t.Logf("the upload is refused: %d %s", state.status, state.body)
		return
	}
	var from int
	if _, err := fmt.Sscanf(state.header.Get("Range"), "0-%d", &from); err != nil {
		t.Fatalf("parse Range %q: %v", state.header.Get("Range"), err)
	}
	if from++; from == 1 {
		from = 0 // 0-0 is the range of nothing and of one byte; this upload never has one byte
	}
	digest := digestOf(content)
	got, err := o.request(o.client, admin, "PUT", finishLocation(state, digest), content[from:],
		"Content-Type", "application/octet-stream")
	if err != nil {
		t.Fatalf("finish upload: %v", err)
	}
	t.Logf("the upload of %d bytes, resumed at %d, ended with %d", len(content), from, got.status)
	if got.status == http.StatusCreated {
		o.mustRead(t, "after 201 for the resumed upload", content)
		o.lose(t)
		o.mustRead(t, "after 201 for the resumed upload and eviction", content)
	}
	o.mayRead(t, content)
}
