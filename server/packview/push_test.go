package packview_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"packhouse/server/auth"
	"packhouse/server/packview"
	"packhouse/server/problem"
	"packhouse/server/route"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
)

func packOf(t *testing.T, json string) []byte {
	t.Helper()
	var b bytes.Buffer
	packed := gzip.NewWriter(&b)
	archive := tar.NewWriter(packed)
	for _, f := range [][2]string{{"pack.json", json}, {"values.yaml", "a: b\n"}} {
		err := archive.WriteHeader(&tar.Header{Name: "a-1.0/" + f[0], Mode: 0o644, Size: int64(len(f[1]))})
		if _, failed := io.WriteString(archive, f[1]); err != nil || failed != nil {
			t.Fatal(err, failed)
		}
	}
	if err := errors.Join(archive.Close(), packed.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestRefusedPushLeavesNoUpload: whatever is wrong with a pack, its upload counts against nobody afterwards.
func TestRefusedPushLeavesNoUpload(t *testing.T) {
	store, err := inmemory.Open(t.Context(), filesystem.Options{UploadsPerUser: 1, UploadWait: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	v := packview.New(packview.Options{Store: store})
	defer v.Records().Close()
	for name, content := range map[string][]byte{
		"no archive":   []byte("x"),
		"another name": packOf(t, `{"name": "b", "displayName": "B", "version": "1.0", "layer": "os"}`),
		"bad group":    packOf(t, `{"name": "a", "displayName": "A", "version": "1.0", "layer": "os", "group": "a/b"}`),
		"long group":   packOf(t, `{"name": "a", "displayName": "A", "version": "1.0", "layer": "os", "group": "`+strings.Repeat("g", 127)+`"}`),
	} {
		for range 3 {
			r := httptest.NewRequest("PUT", "/v1/a/archives/1.0", bytes.NewReader(content))
			req, err := route.Paths{}.Parse(r)
			if err != nil {
				t.Fatal(err)
			}
			err = v.Serve(httptest.NewRecorder(), r, auth.Grant{Request: req, Role: auth.Writer, Identity: auth.Identity{User: "wendy"}})
			if status := problem.From(err).Status; err == nil || status != 422 {
				t.Fatalf("%s: %d, %v", name, status, err)
			}
		}
	}
}
