package s3

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/storagetest"
)

// withoutCopies has the engine lack UploadPartCopy, as some gateways do.
func withoutCopies(f *fakeEngine) {
	f.before = func(op string, w http.ResponseWriter, r *http.Request) bool {
		lacks := op == "UploadPart" && r.Header.Get("X-Amz-Copy-Source") != ""
		if lacks {
			refuse(w, 501, "NotImplemented")
		}
		return lacks
	}
}

// TestStorageWithoutUploadPartCopy pushes in chunks to a service that cannot copy: the parts are sent
// again, and the start and the checks say so.
func TestStorageWithoutUploadPartCopy(t *testing.T) {
	f := startFake(t, newMemoryBucket())
	withoutCopies(f)
	findings := Probe(t.Context(), f.config())
	if !passed(findings) {
		t.Errorf("%+v", findings)
	}
	f2 := startFake(t, newMemoryBucket())
	f2.before = func(op string, w http.ResponseWriter, _ *http.Request) bool {
		if op == "CreateMultipartUpload" {
			refuse(w, 501, "NotImplemented")
		}
		return op == "CreateMultipartUpload"
	}
	for _, trial := range Probe(t.Context(), f2.config()) {
		if trial.Check == RightMultipart && (trial.Passed || strings.Contains(trial.Remedy, "allow")) {
			t.Errorf("a service without multipart uploads: %+v", trial)
		}
	}
	said := false
	for _, trial := range findings {
		for _, w := range trial.Weaknesses {
			said = said || strings.Contains(w, "UploadPartCopy")
		}
	}
	if !said {
		t.Errorf("no trial names UploadPartCopy: %+v", findings)
	}
	s, err := Open(t.Context(), Options{Config: f.config(), Log: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.life.background.Wait()
	if s.traits.Copy || !s.traits.Collectable() {
		t.Errorf("%+v", s.traits)
	}
	o := storage.Owner{Repository: storagetest.Repo(t, "a"), User: "ann"}
	tiny(s, f.b)
	const piece = tinyChunk / 5
	content := bytes.Repeat([]byte("twelve bytes"), piece)
	d := digest.FromBytes(content)
	u, err := s.StartUpload(t.Context(), o, digest.SHA256)
	for at := 0; err == nil && at < len(content); at += piece {
		_, err = s.AppendUpload(t.Context(), o, u.ID, int64(at), bytes.NewReader(content[at:at+piece]), piece)
	}
	err = errors.Join(err, s.FinishUpload(t.Context(), o, u.ID, int64(len(content)), nil, 0, d))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := storagetest.ReadBlob(s, o.Repository, d); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
