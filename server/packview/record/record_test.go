package record_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/packs"
	"packhouse/server/packview/record"
	"packhouse/server/reference"
	"packhouse/server/storage"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/storagetest"
)

// place is a store on disk, with a count of the archives that were opened.
type place struct {
	*filesystem.Store
	root   string
	opened atomic.Int32
	repo   reference.Repository
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{root: t.TempDir()}
	var err error
	if p.repo, err = reference.ParseRepository("spectro-packs/archive/a"); err != nil {
		t.Fatal(err)
	}
	if p.Store, err = filesystem.Open(t.Context(), filesystem.Options{Root: p.root}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func (p *place) OpenBlob(ctx context.Context, repo reference.Repository, d digest.Digest) (storage.Blob, error) {
	p.opened.Add(1)
	return p.Store.OpenBlob(ctx, repo, d)
}

func (p *place) put(t *testing.T, content []byte) digest.Digest {
	t.Helper()
	d := digest.FromBytes(content)
	if err := p.PutBlob(t.Context(), storage.Owner{Repository: p.repo}, d, bytes.NewReader(content), int64(len(content))); err != nil {
		t.Fatal(err)
	}
	return d
}

func (p *place) records(t *testing.T, o record.Options) *record.Records {
	t.Helper()
	o.Blobs = p
	r := record.New(o)
	t.Cleanup(r.Close)
	return r
}

const packJSON = `{"name": "a", "displayName": "A", "version": "1.0", "layer": "os"}`

func archive(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	packed := gzip.NewWriter(&b)
	to := tar.NewWriter(packed)
	for i := 0; i < len(files); i += 2 {
		if err := to.WriteHeader(&tar.Header{Name: "a-1.0/" + files[i], Mode: 0o644, Size: int64(len(files[i+1]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(to, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(to.Close(), packed.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pack(t testing.TB, more ...string) []byte {
	return archive(t, append([]string{"pack.json", packJSON, "values.yaml", "a: b\n", "README.md", "# A\n", "logo.png", drawnLogo(1)}, more...)...)
}

// drawnLogo returns a PNG image with sides of a number of pixels.
func drawnLogo(side int) string {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, side, side))); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.String()
}

func TestRecordIsMadeOnceAndKept(t *testing.T) {
	p := newPlace(t)
	d := p.put(t, pack(t))
	r := p.records(t, record.Options{Derived: p})
	if r.Summary(t.Context(), p.repo, d) != nil {
		t.Error("there is a record before one was made")
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			rec, err := r.Get(t.Context(), p.repo, d)
			if err != nil || len(rec.Files) != 4 || rec.Metadata.Name != "a" || rec.Root != "a-1.0" || rec.Reason() != "" {
				t.Errorf("%+v, %v", rec, err)
			}
		})
	}
	all.Wait()
	if n := p.opened.Load(); n != 1 {
		t.Errorf("the archive was read %d times", n)
	}
	again := p.records(t, record.Options{Derived: p}) // another process
	rec, err := again.Get(t.Context(), p.repo, d)
	if err != nil || rec.Metadata.DisplayName != "A" {
		t.Fatal(err)
	}
	for document, want := range map[string]string{packs.ReadmeFile: "# A\n", packs.ValuesFile: "a: b\n", packs.LogoFile: drawnLogo(1), packs.SchemaFile: ""} {
		if content, err := again.Document(t.Context(), p.repo, rec, document); err != nil || string(content) != want {
			t.Errorf("%s: %q, %v", document, content, err)
		}
	}
	if n := p.opened.Load(); n != 1 {
		t.Errorf("what is kept was made again: %d", n)
	}
}

func TestRecordIsMadeAgain(t *testing.T) {
	p := newPlace(t)
	d := p.put(t, pack(t))
	if _, err := p.records(t, record.Options{Derived: p}).Get(t.Context(), p.repo, d); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(p.root, "packhouse/v1/packview/3/sha256", d.Encoded()[:2], d.Encoded())
	for what, spoil := range map[string]func() error{
		"deleted":   func() error { return os.RemoveAll(filepath.Join(p.root, "packhouse/v1/packview/3")) },
		"cut":       func() error { return os.Truncate(kept+".json", 40) },
		"another's": func() error { return os.WriteFile(kept+".json", []byte(`{"extractor":3,"archive":"sha256:x"}`), 0o600) },
		"of old": func() error {
			return os.WriteFile(kept+".json", []byte(`{"extractor":1,"archive":"`+d.String()+`"}`), 0o600)
		},
		"other texts": func() error {
			return errors.Join(os.WriteFile(kept+".readme", []byte("x"), 0o600), os.Truncate(kept+".json", 1))
		},
	} {
		if err := spoil(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		r := p.records(t, record.Options{Derived: p})
		rec, err := r.Get(t.Context(), p.repo, d)
		if err != nil || len(rec.Files) != 4 {
			t.Fatalf("%s: %+v, %v", what, rec, err)
		}
		if readme, err := r.Document(t.Context(), p.repo, rec, packs.ReadmeFile); err != nil || string(readme) != "# A\n" {
			t.Errorf("%s: %q, %v", what, readme, err)
		}
	}
}

func TestArchiveThatCannotBeRead(t *testing.T) {
	p := newPlace(t)
	good := pack(t)
	for what, content := range map[string][]byte{
		"text": []byte("hello"), "cut": good[:len(good)-20], "bomb": archive(t, "zero", strings.Repeat("0", 40<<20)),
		"many": archive(t, "pack.json", packJSON, "1", "", "2", "", "3", "", "4", "", "5", "", "6", ""),
	} {
		d := p.put(t, content)
		r := p.records(t, record.Options{Derived: p, Limits: packs.Limits{Files: 6}})
		rec, err := r.Get(t.Context(), p.repo, d)
		if err != nil || rec.Refused == nil || rec.Reason() == "" {
			t.Errorf("%s: %+v, %v", what, rec, err)
		}
		opened := p.opened.Load()
		if rec, err := p.records(t, record.Options{Derived: p}).Get(t.Context(), p.repo, d); err != nil || rec.Refused == nil || p.opened.Load() != opened {
			t.Errorf("%s: it was read again: %+v, %v", what, rec, err)
		}
	}
}

func TestTheLinkOfTheRepositoryIsTheAuthority(t *testing.T) {
	p := newPlace(t)
	d := p.put(t, pack(t))
	r := p.records(t, record.Options{})
	rec, err := r.Get(t.Context(), p.repo, d)
	if err != nil {
		t.Fatal(err)
	}
	manifest := digest.FromString("manifest")
	r.NoteLogo(t.Context(), p.repo, rec.Summary(), manifest, true)
	logo, _ := rec.Logo()
	if note, ok := r.Note(t.Context(), p.repo, logo.SHA256); !ok || note.Archive != d || note.Manifest != manifest {
		t.Errorf("the logo is noted as %+v", note)
	}
	other, err := reference.ParseRepository("spectro-packs/archive/b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Get(t.Context(), other, d); !errors.Is(err, storage.ErrBlobUnknown) {
		t.Errorf("another repository: %v", err)
	}
	if _, ok := r.Note(t.Context(), other, logo.SHA256); ok || r.Summary(t.Context(), other, d) != nil {
		t.Error("another repository sees it")
	}
	if err := p.DeleteBlob(t.Context(), p.repo, d, false); err != nil {
		t.Fatal(err)
	}
	if r.Summary(t.Context(), p.repo, d) != nil {
		t.Error("it is seen after it was deleted")
	}
}

// TestFileIsWhatTheRecordSays: a record that somebody changed never makes other bytes come out whole.
func TestFileIsWhatTheRecordSays(t *testing.T) {
	p := newPlace(t)
	large := strings.Repeat("0123456789abcdef", 20_000)
	d := p.put(t, pack(t, "large", large, "empty", ""))
	r := p.records(t, record.Options{Derived: p})
	rec, err := r.Get(t.Context(), p.repo, d)
	if err != nil {
		t.Fatal(err)
	}
	read := func(f packs.File) (content []byte, err error) {
		err = r.Open(t.Context(), p.repo, rec, f, func(from io.Reader) (err error) {
			content, err = io.ReadAll(from)
			return err
		})
		return content, err
	}
	for name, want := range map[string]string{"large": large, "empty": "", "values.yaml": "a: b\n"} {
		f, _ := rec.File(name)
		if got, err := read(f); err != nil || string(got) != want {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		for what, wrong := range map[string]packs.File{
			"hash": {Path: name, Size: f.Size, SHA256: strings.Repeat("0", 64)}, "longer": {Path: name, Size: f.Size + 1, SHA256: f.SHA256},
			"shorter": {Path: name, Size: max(0, f.Size-1), SHA256: strings.Repeat("0", 64)}, "path": {Path: name + "x", Size: f.Size, SHA256: f.SHA256},
		} {
			if got, err := read(wrong); !errors.Is(err, record.ErrOther) || len(got) >= len(want) && want != "" {
				t.Errorf("%s of another %s: %d bytes, %v", name, what, len(got), err)
			}
		}
	}
}

func TestCloseEndsWhatIsMade(t *testing.T) {
	p := newPlace(t)
	d := p.put(t, pack(t))
	r := p.records(t, record.Options{})
	r.Behind(p.repo, d, nil)
	r.Close()
	opened := p.opened.Load()
	r.Behind(p.repo, d, nil)
	r.Close()
	if p.opened.Load() != opened {
		t.Error("something is made after Close")
	}
}

// TestCollectTakesWhatWasDerived: with an archive go its record and its documents, and with nothing else.
func TestCollectTakesWhatWasDerived(t *testing.T) {
	p := newPlace(t)
	now := time.Now()
	records := p.records(t, record.Options{Derived: p})
	d := p.put(t, archive(t, "pack.json", packJSON, "README.md", "# A", "values.yaml", "a: 1"))
	if _, err := records.Get(t.Context(), p.repo, d); err != nil {
		t.Fatal(err)
	}
	kept := func() (n int) {
		_ = filepath.WalkDir(filepath.Join(p.root, "packhouse/v1/packview"), func(_ string, e os.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				n++
			}
			return nil
		})
		return n
	}
	if n := kept(); n != 3 {
		t.Fatalf("%d files are derived, want 3", n)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	later, err := filesystem.Open(t.Context(), filesystem.Options{Root: p.root, Now: func() time.Time { return now.Add(24 * time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	p.Store = later
	for _, tt := range []struct {
		dry  bool
		want int
	}{{true, 3}, {false, 0}} {
		sum, err := record.Collect(t.Context(), p.Store, storage.CollectOptions{DryRun: tt.dry}, nil)
		if err != nil || sum.BlobsRemoved != 1 {
			t.Fatalf("dry run %v: %+v, %v", tt.dry, sum, err)
		}
		if n := kept(); n != tt.want {
			t.Errorf("dry run %v: %d files are left, want %d", tt.dry, n, tt.want)
		}
	}
}

// unread is a store whose derived records may be listed but not read.
type unread struct {
	*filesystem.Store
	reads int
}

func (u *unread) ReadDerived(ctx context.Context, name string, most int64) ([]byte, error) {
	u.reads++
	return u.Store.ReadDerived(ctx, name, most)
}

// TestCollectLooksUpNoRecords removes blobs of which none has a record, without a look-up for each:
// on S3 these took far longer than the removal.
func TestCollectLooksUpNoRecords(t *testing.T) {
	root := t.TempDir()
	s, err := filesystem.Open(t.Context(), filesystem.Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		storagetest.PushBlob(t, s, "a", fmt.Append(nil, "dead ", i))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = filesystem.Open(t.Context(), filesystem.Options{
		Root: root, Now: func() time.Time { return time.Now().Add(24 * time.Hour) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	u := &unread{Store: s}
	sum, err := record.Collect(t.Context(), u, storage.CollectOptions{}, nil)
	if err != nil || sum.BlobsRemoved != 20 || u.reads > 0 {
		t.Errorf("%+v, %v, %d reads of records", sum, err, u.reads)
	}
}
