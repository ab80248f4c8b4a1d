package filesystem_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/storagetest"
)

func write(t *testing.T, name string, body []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, body, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReadOnlyWritesNothing(t *testing.T) {
	ctx, root := context.Background(), t.TempDir()
	s := open(t, filesystem.Options{Root: root})
	subject := storagetest.NewImage(t, "one", nil)
	subject.Push(t, s, "a", "v1")
	storagetest.NewImage(t, "two", subject).Push(t, s, "a")
	closing(t, s)
	before := tree(t, root)
	s = open(t, filesystem.Options{Root: root, ReadOnly: true})
	subject.Check(t, s, "a", "v1")
	if got := storagetest.Repositories(t, s, 1); !slices.Equal(got, []string{"a"}) {
		t.Errorf("repositories: %v", got)
	}
	if got, err := s.Referrers(ctx, storagetest.Repo(t, "a"), subject.Digest); err != nil || len(got) != 1 {
		t.Errorf("referrers: %v, %v", got, err)
	}
	r, o := storagetest.Repo(t, "a"), storage.Owner{Repository: storagetest.Repo(t, "a")}
	layer := digest.FromBytes(subject.Layer)
	if _, err := s.StatBlob(ctx, r, layer, true); err != nil {
		t.Errorf("stat: %v", err)
	}
	if _, err := s.Usage(ctx); err != nil {
		t.Errorf("usage: %v", err)
	}
	if _, err := s.Collect(ctx, storage.CollectOptions{DryRun: true}, nil); err != nil {
		t.Errorf("dry run: %v", err)
	}
	if report, err := s.Scrub(ctx, storage.ScrubOptions{}, nil); err != nil || report.Blobs == 0 {
		t.Errorf("scrub: %v", err)
	}
	_, start := s.StartUpload(ctx, o, digest.SHA256)
	_, collect := s.Collect(ctx, storage.CollectOptions{}, nil)
	_, reindex := s.Reindex(ctx)
	for what, err := range map[string]error{
		"health": s.Health(ctx), "push": storagetest.TryBlob(s, r, []byte("x")), "manifest": subject.TryManifest(t, s, "a", "v2"), "upload": start,
		"delete blob": s.DeleteBlob(ctx, r, layer, false), "delete tag": s.DeleteTag(ctx, r, storagetest.Tag(t, "v1")), "collect": collect, "reindex": reindex,
		"delete manifest": s.DeleteManifest(ctx, r, subject.Digest, false), "mount": s.MountBlob(ctx, r, nil, layer),
	} {
		if !errors.Is(err, storage.ErrReadOnly) {
			t.Errorf("%s: %v", what, err)
		}
	}
	closing(t, s)
	if after := tree(t, root); !slices.Equal(before, after) {
		t.Errorf("files changed:\n%s\n\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
}

// tree lists all files with their times.
func tree(t *testing.T, root string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		all = append(all, path+" "+info.ModTime().String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestLayout holds the store to what CNCF distribution v3.1 writes: names, contents, and nothing beside them.
func TestLayout(t *testing.T) {
	root := t.TempDir()
	s := open(t, filesystem.Options{Root: root})
	image := storagetest.NewImage(t, "one", nil)
	image.Push(t, s, "team/a", "v1")
	other := storagetest.NewImage(t, "two", nil)
	other.Push(t, s, "team/a", "v1")
	if err := s.DeleteManifest(context.Background(), storagetest.Repo(t, "team/a"), image.Digest, false); err != nil {
		t.Fatal(err)
	}
	image.Push(t, s, "team/a")
	closing(t, s)
	want := map[string]string{}
	repo := "repositories/team/a/"
	for _, i := range []*storagetest.Image{image, other} {
		for _, body := range [][]byte{i.Config, i.Layer, i.Content} {
			d := digest.FromBytes(body)
			want["blobs/sha256/"+d.Encoded()[:2]+"/"+d.Encoded()+"/data"] = string(body)
		}
		for _, body := range [][]byte{i.Config, i.Layer} {
			d := digest.FromBytes(body)
			want[repo+"_layers/sha256/"+d.Encoded()+"/link"] = string(d)
		}
		want[repo+"_manifests/revisions/sha256/"+i.Digest.Encoded()+"/link"] = string(i.Digest)
		want[repo+"_manifests/tags/v1/index/sha256/"+i.Digest.Encoded()+"/link"] = string(i.Digest)
	}
	want[repo+"_manifests/tags/v1/current/link"] = string(other.Digest)
	v2 := filepath.Join(root, "docker/registry/v2")
	err := filepath.WalkDir(v2, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, _ := filepath.Rel(v2, path)
		body, err := os.ReadFile(path)
		if wanted, ok := want[name]; !ok || wanted != string(body) {
			t.Errorf("%s holds %q, want %q", name, body, wanted)
		}
		delete(want, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range want {
		t.Errorf("%s is missing", name)
	}
}

// TestAliasedLink reads what distribution writes when a blob is pushed as sha512: a link named so that holds a sha256.
func TestAliasedLink(t *testing.T) {
	root, now := t.TempDir(), newClock()
	s := open(t, filesystem.Options{Root: root, Now: now.now})
	defer closing(t, s)
	body := []byte("pushed as sha512")
	d := storagetest.PushBlob(t, s, "a", body)
	alias := digest.SHA512.FromBytes(body)
	write(t, filepath.Join(root, "docker/registry/v2/repositories/b/_layers/sha512", alias.Encoded(), "link"), []byte(d))
	now.pass(3 * 60 * 60 * 1e9)
	if _, err := s.Collect(context.Background(), storage.CollectOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := storagetest.ReadBlob(s, storagetest.Repo(t, "b"), alias); err != nil || !bytes.Equal(got, body) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestFirstReadIsChecked(t *testing.T) {
	for name, size := range map[string]int{"small": 1000, "large": 3 << 20} {
		t.Run(name, func(t *testing.T) {
			ctx, root := context.Background(), t.TempDir()
			content := bytes.Repeat([]byte("0123456789abcdef"), size/16)
			s := open(t, filesystem.Options{Root: root})
			d := storagetest.PushBlob(t, s, "a", content)
			b, err := s.OpenBlob(ctx, storagetest.Repo(t, "a"), d)
			if err != nil {
				t.Fatal(err)
			}
			// A small blob is read into memory until a checkpoint has made its file durable.
			if _, ok := b.Content().(*os.File); !ok && size > 64<<10 {
				t.Errorf("a pushed blob is not sent by the kernel: %T", b.Content())
			}
			b.Close()
			closing(t, s)

			s = open(t, filesystem.Options{Root: root}) // which has not verified it
			storagetest.PushBlob(t, s, "b", []byte("waits until the work of the start is done"))
			repo := storagetest.Repo(t, "a")
			for i := range 2 {
				b, err := s.OpenBlob(ctx, repo, d)
				if err != nil {
					t.Fatal(err)
				}
				_, isFile := b.Content().(*os.File)
				if got, err := io.ReadAll(b.Content()); err != nil || !bytes.Equal(got, content) {
					t.Fatalf("read %d: %d bytes, %v", i, len(got), err)
				}
				b.Close()
				if i == 1 && !isFile {
					t.Error("the second reader of a good blob does not get the file")
				}
			}
			closing(t, s)

			damage(t, dataOf(root, d))
			s = open(t, filesystem.Options{Root: root})
			defer closing(t, s)
			got, err := storagetest.ReadBlob(s, repo, d)
			if !errors.Is(err, storage.ErrBlobDamaged) || !errors.Is(err, storage.ErrBlobUnknown) || len(got) >= size {
				t.Fatalf("damaged: %d of %d bytes, %v", len(got), size, err)
			}
			if size > 1<<20 && len(got) < size-100<<10 {
				t.Errorf("more was held back than the end: %d of %d", len(got), size)
			}
			if _, err := s.StatBlob(ctx, repo, d, true); !errors.Is(err, storage.ErrBlobUnknown) {
				t.Errorf("afterwards: %v", err)
			}
			storagetest.PushBlob(t, s, "a", content)
			if got, err := storagetest.ReadBlob(s, repo, d); err != nil || !bytes.Equal(got, content) {
				t.Errorf("pushed again: %d bytes, %v", len(got), err)
			}
		})
	}
}

func TestRangeIsCheckedFirst(t *testing.T) {
	ctx, root := context.Background(), t.TempDir()
	content := bytes.Repeat([]byte("0123456789abcdef"), 200_000)
	s := open(t, filesystem.Options{Root: root})
	d := storagetest.PushBlob(t, s, "a", content)
	closing(t, s)
	damage(t, dataOf(root, d))
	s = open(t, filesystem.Options{Root: root})
	defer closing(t, s)
	b, err := s.OpenBlob(ctx, storagetest.Repo(t, "a"), d)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := b.Content().Seek(-10, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	if n, err := io.ReadFull(b.Content(), make([]byte, 10)); !errors.Is(err, storage.ErrBlobDamaged) {
		t.Errorf("the sound end of a damaged blob: %d bytes, %v", n, err)
	}
}

// TestRangeOfEverythingIsChecked: asked for all of a large blob as a range, nobody gets the end of a damaged one.
func TestRangeOfEverythingIsChecked(t *testing.T) {
	root := t.TempDir()
	content := make([]byte, 64<<20+1)
	s := open(t, filesystem.Options{Root: root})
	d := storagetest.PushBlob(t, s, "a", content)
	closing(t, s)
	damage(t, dataOf(root, d))
	s = open(t, filesystem.Options{Root: root})
	defer closing(t, s)
	b, err := s.OpenBlob(context.Background(), storagetest.Repo(t, "a"), d)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Content().(storage.Checker).Check(); err != nil { // as before any range
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, b.Content()); !errors.Is(err, storage.ErrBlobDamaged) || n >= int64(len(content)) {
		t.Errorf("%d of %d bytes of a damaged blob, %v", n, len(content), err)
	}
}

// TestPushHealsSilently: the bad bytes are there and nobody has read them.
func TestPushHealsSilently(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, name string){
		"turned": damage,
		"cut": func(t *testing.T, name string) {
			if err := os.Truncate(name, 3); err != nil {
				t.Fatal(err)
			}
		},
		"empty": func(t *testing.T, name string) { write(t, name, nil) },
		"missing": func(t *testing.T, name string) {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		},
	} {
		root := t.TempDir()
		s := open(t, filesystem.Options{Root: root})
		content := []byte("content")
		d := storagetest.PushBlob(t, s, "a", content)
		spoil(t, dataOf(root, d))
		if name == "empty" || name == "missing" {
			if _, err := s.StatBlob(context.Background(), storagetest.Repo(t, "a"), d, true); !errors.Is(err, storage.ErrBlobUnknown) {
				t.Errorf("%s: called existing: %v", name, err)
			}
		}
		storagetest.PushBlob(t, s, "b", content)
		for _, repo := range []string{"a", "b"} {
			if got, err := storagetest.ReadBlob(s, storagetest.Repo(t, repo), d); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
		closing(t, s)
	}
}

// TestFullDisk runs on a small file system of its own, where the machine lets us mount one.
func TestFullDisk(t *testing.T) {
	root := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=48m,nr_inodes=400", "tmpfs", root).CombinedOutput(); err != nil {
		t.Skipf("no file system of our own to fill: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", root).Run() })
	ctx := context.Background()
	s := open(t, filesystem.Options{Root: root})
	defer closing(t, s)
	o := storage.Owner{Repository: storagetest.Repo(t, "a")}
	image := storagetest.NewImage(t, "one", nil)
	image.Push(t, s, "a", "v1")
	big := bytes.Repeat([]byte("x"), 50<<20)
	read := &counting{r: bytes.NewReader(big)}
	if err := s.PutBlob(ctx, o, digest.FromBytes(big), read, int64(len(big))); !errors.Is(err, storage.ErrFull) || read.n != 0 {
		t.Errorf("announced: %v after %d bytes", err, read.n)
	}
	if err := s.PutBlob(ctx, o, digest.FromBytes(big), read, -1); !errors.Is(err, storage.ErrFull) {
		t.Errorf("not announced: %v", err)
	}
	u, err := s.StartUpload(ctx, o, digest.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AppendUpload(ctx, o, u.ID, 0, bytes.NewReader(big), -1); !errors.Is(err, storage.ErrFull) {
		t.Errorf("upload: %v", err)
	}
	if err := s.CancelUpload(ctx, o, u.ID); err != nil {
		t.Error(err)
	}
	image.Push(t, s, "a", "v2") // what fits still goes
	image.Check(t, s, "a", "v1", "v2")
	if err := s.Health(ctx); err != nil {
		t.Errorf("health: %v", err)
	}
	for i := uint64(0); err == nil && i < 1000; i++ {
		err = storagetest.TryBlob(s, o.Repository, numbered(40, i))
	}
	if !errors.Is(err, storage.ErrFull) {
		t.Errorf("out of inodes: %v", err)
	}
	if err := s.Health(ctx); !errors.Is(err, storage.ErrFull) {
		t.Errorf("health when full: %v", err)
	}
}

type counting struct {
	r io.Reader
	n int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}
