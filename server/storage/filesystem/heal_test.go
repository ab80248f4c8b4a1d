package filesystem_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/reference"
	"packhouse/server/storage"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/storagetest"
)

// TestManifestPutSetsACutBlobAside pushes like clients do: what is called existing is not sent. A blob that was cut short is found out when
// a manifest refers to it; were it still called existing then, nobody would ever send it again.
func TestManifestPutSetsACutBlobAside(t *testing.T) {
	ctx, root := context.Background(), t.TempDir()
	s := open(t, filesystem.Options{Root: root})
	defer closing(t, s)
	image, repo := storagetest.NewImage(t, "one", nil), storagetest.Repo(t, "a")
	for _, b := range [][]byte{image.Config, image.Layer} {
		storagetest.PushBlob(t, s, "a", b)
	}
	layer := digest.FromBytes(image.Layer)
	if err := os.Truncate(dataOf(root, layer), 3); err != nil {
		t.Fatal(err)
	}
	if err := image.TryManifest(t, s, "a", "v1"); !errors.As(err, new(*storage.MissingError)) {
		t.Fatalf("a manifest with a damaged layer: %v", err)
	}
	if _, err := s.StatBlob(ctx, repo, layer, true); !errors.Is(err, storage.ErrBlobUnknown) {
		t.Errorf("the damaged layer is still called existing: %v", err)
	}
	image.Push(t, s, "a", "v1")
	image.Check(t, s, "a", "v1")
}

// TestReferrersHaveAnnotationsOfAnySize lists a manifest whose annotations nearly fill it and grow when they are written as JSON.
func TestReferrersHaveAnnotationsOfAnySize(t *testing.T) {
	s := open(t, filesystem.Options{Root: t.TempDir()})
	defer closing(t, s)
	subject := storagetest.NewImage(t, "one", nil)
	big := storagetest.NewImage(t, "two", subject)
	text := strings.Repeat("<", manifest.MaxSize-2000)
	content := strings.Replace(string(big.Content), `"annotations":{`, `"annotations":{"big":"`+text+`",`, 1)
	parsed, err := manifest.Parse([]byte(content))
	if err != nil {
		t.Fatal(err)
	}
	subject.Push(t, s, "a")
	for _, b := range [][]byte{big.Config, big.Layer} {
		storagetest.PushBlob(t, s, "a", b)
	}
	d := digest.FromString(content)
	if err := s.PutManifest(context.Background(), storage.Put{Repository: storagetest.Repo(t, "a"), Digest: d, Content: []byte(content), Manifest: parsed}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Referrers(context.Background(), storagetest.Repo(t, "a"), subject.Digest)
	if err != nil || len(got) != 1 || got[0].Annotations["big"] != text {
		t.Errorf("%d referrers, %v", len(got), err)
	}
}

// TestMountWritesNoLinkByAnotherDigest meets a link as distribution writes it, named by sha512 and filled with sha256: it is followed, but
// none of its kind is made.
func TestMountWritesNoLinkByAnotherDigest(t *testing.T) {
	ctx, root := context.Background(), t.TempDir()
	s := open(t, filesystem.Options{Root: root})
	defer closing(t, s)
	held := storagetest.PushBlob(t, s, "a", []byte("blob"))
	named := digest.SHA512.FromString("blob")
	write(t, root+"/docker/registry/v2/repositories/a/_layers/sha512/"+named.Encoded()+"/link", []byte(held))
	if got, err := storagetest.ReadBlob(s, storagetest.Repo(t, "a"), named); err != nil || string(got) != "blob" {
		t.Errorf("read: %q, %v", got, err)
	}
	if err := s.MountBlob(ctx, storagetest.Repo(t, "b"), []reference.Repository{storagetest.Repo(t, "a")}, named); !errors.Is(err, storage.ErrBlobUnknown) {
		t.Errorf("mount: %v", err)
	}
	if _, err := s.StatBlob(ctx, storagetest.Repo(t, "b"), named, false); !errors.Is(err, storage.ErrBlobUnknown) {
		t.Errorf("after the mount: %v", err)
	}
}
