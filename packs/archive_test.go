package packs

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"packhouse/finding"
)

// TestArchiveIsTheSameEverywhere archives the same files as they come out of different checkouts.
func TestArchiveIsTheSameEverywhere(t *testing.T) {
	for _, sample := range samples(t) {
		var first, second bytes.Buffer
		one, err := Archive(t.Context(), &first, filepath.Join("testdata", sample), nil)
		if err != nil {
			t.Fatal(err)
		}
		other := filepath.Join(t.TempDir(), "any name")
		if err := os.CopyFS(other, os.DirFS(filepath.Join("testdata", sample))); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(other, ".git", "HEAD"), "ref")
		write(t, filepath.Join(other, "manifests", ".DS_Store"), "x")
		if err := os.Mkdir(filepath.Join(other, "empty"), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"pack.json", "values.yaml"} {
			if err := os.Chmod(filepath.Join(other, name), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(filepath.Join(other, name), time.Now(), time.Unix(1e9, 0)); err != nil {
				t.Fatal(err)
			}
		}
		two, err := Archive(t.Context(), &second, other, nil)
		if err != nil || two != one || !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Errorf("%s: %+v and %+v, %v", sample, one, two, err)
		}
		if sum := fmt.Sprintf("sha256:%x", sha256.Sum256(first.Bytes())); sum != one.Digest || one.Size != int64(first.Len()) || one.Folder != sample {
			t.Errorf("%s: %+v, %s, %d bytes", sample, one, sum, first.Len())
		}
	}
}

// TestArchiveGolden holds what is in it, header by header.
func TestArchiveGolden(t *testing.T) {
	var content bytes.Buffer
	if _, err := Archive(t.Context(), &content, "testdata/edge-ubuntu-22.04", nil); err != nil {
		t.Fatal(err)
	}
	unpacked, err := gzip.NewReader(&content)
	if err != nil || !unpacked.ModTime.IsZero() || unpacked.Name != "" {
		t.Fatalf("gzip header %+v, %v", unpacked.Header, err)
	}
	var got []string
	for archive := tar.NewReader(unpacked); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%c %o %d %d/%d %q%q %d", h.Typeflag, h.Mode, h.Size, h.Uid, h.Gid, h.Uname, h.Gname, h.ModTime.Unix())+" "+h.Name)
	}
	want := []string{
		`5 755 0 0/0 """" 0 edge-ubuntu-22.04/`,
		`0 644 59 0/0 """" 0 edge-ubuntu-22.04/README.md`,
		`0 644 280 0/0 """" 0 edge-ubuntu-22.04/pack.json`,
		`5 755 0 0/0 """" 0 edge-ubuntu-22.04/scripts/`,
		`0 755 43 0/0 """" 0 edge-ubuntu-22.04/scripts/prepare.sh`,
		`0 644 0 0/0 """" 0 edge-ubuntu-22.04/values.yaml`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("entries are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestArchiveRefusesLinks(t *testing.T) {
	dir := copyPack(t, "edge-ubuntu-22.04")
	if err := os.Symlink("/etc/hosts", filepath.Join(dir, "hosts")); err != nil {
		t.Skip(err)
	}
	_, err := Archive(t.Context(), io.Discard, dir, nil)
	var refused *Refused
	if !errors.As(err, &refused) || refused.Problems[0].Code != CodeLink {
		t.Errorf("archive: %v", err)
	}
	pack, err := OpenDir(dir)
	if err != nil || !slices.ContainsFunc(pack.Lint(), func(p finding.Finding) bool { return p.Code == CodeLink && p.File == "hosts" }) {
		t.Errorf("lint: %v, %v", pack.Lint(), err)
	}
}

// TestReadArchiveFindsThePack reads the shapes that archives have in the wild.
func TestReadArchiveFindsThePack(t *testing.T) {
	long := strings.Repeat("long/", 25) + strings.Repeat("n", 120) + ".yaml"
	for name, tc := range map[string]struct {
		entries []entry
		root    string
		files   []string
		codes   []string
	}{
		"folder": {[]entry{{name: "n-1/", kind: tar.TypeDir}, {name: "n-1/pack.json", text: good}, {name: "n-1/values.yaml"}}, "n-1", []string{"pack.json", "values.yaml"}, nil},
		"dotted": {[]entry{{name: "./n-1/pack.json", text: good}, {name: "./n-1/a/../b"}}, "", nil, []string{CodeArchiveSlip}},
		"flat":   {[]entry{{name: "charts/x.tgz"}, {name: "pack.json", text: good}, {name: "values.yaml"}}, "", []string{"charts/x.tgz", "pack.json", "values.yaml"}, nil},
		"flat with a dot": {
			[]entry{{name: "./", kind: tar.TypeDir}, {name: "./values.yaml"}, {name: "./pack.json", text: good}},
			"",
			[]string{"pack.json", "values.yaml"},
			nil,
		},
		"macOS": {
			[]entry{{name: "./._n-1"}, {name: "n-1/._pack.json", text: "junk"}, {name: "n-1/pack.json", text: good}, {name: "n-1/.DS_Store"}},
			"n-1",
			[]string{"pack.json"},
			nil,
		},
		"something beside it": {[]entry{{name: "n-1/pack.json", text: good}, {name: "other/x"}}, "n-1", []string{"pack.json"}, []string{CodeArchiveOutside}},
		"no pack.json":        {[]entry{{name: "n-1/values.yaml"}}, "n-1", []string{"values.yaml"}, []string{CodeJSONMissing}},
		"too deep a folder":   {[]entry{{name: "a/n-1/pack.json", text: good}}, "a", []string{"n-1/pack.json"}, []string{CodeJSONMissing}},
		"long path":           {[]entry{{name: "n-1/" + long}, {name: "n-1/pack.json", text: good}}, "n-1", []string{long, "pack.json"}, nil},
		"empty":               {nil, "", nil, []string{CodeJSONMissing}},
		"README in lower case": {
			[]entry{{name: "n-1/readme.md", text: "# x"}, {name: "n-1/pack.json", text: good}}, "n-1", []string{"pack.json", "readme.md"}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			contents, err := ReadArchive(t.Context(), bytes.NewReader(archiveOf(t, tc.entries...)), Limits{}, nil)
			if p, ok := errors.AsType[*Invalid](err); ok {
				if !slices.Contains(tc.codes, p.Code) {
					t.Errorf("refused: %v", p)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var files []string
			for _, f := range contents.Files {
				files = append(files, f.Path)
				if len(f.SHA256) != 64 {
					t.Errorf("%s has the digest %q", f.Path, f.SHA256)
				}
			}
			if contents.Root != tc.root || !slices.Equal(files, tc.files) {
				t.Errorf("root %q with %q, want %q with %q", contents.Root, files, tc.root, tc.files)
			}
			lint := fmt.Sprint(contents.Lint())
			for _, code := range tc.codes {
				if !slices.ContainsFunc(contents.Lint(), func(p finding.Finding) bool { return p.Code == code }) {
					t.Errorf("%s is not told: %s", code, lint)
				}
			}
		})
	}
}

// TestReadArchiveRefuses covers what archives are made into to do harm.
func TestReadArchiveRefuses(t *testing.T) {
	limits := Limits{Bytes: 24 << 20, Files: 50, Depth: 8, Ratio: 100}
	many := make([]entry, 60)
	for i := range many {
		many[i] = entry{name: fmt.Sprintf("n-1/%d", i)}
	}
	valid := archiveOf(t, entry{name: "n-1/pack.json", text: good}, entry{name: "n-1/x", text: strings.Repeat("random text ", 1000)})
	damaged := bytes.Clone(valid)
	damaged[len(damaged)-6] ^= 0xff
	for name, tc := range map[string]struct {
		content []byte
		want    string
	}{
		"slip":             {archiveOf(t, entry{name: "n-1/../../etc/passwd"}), CodeArchiveSlip},
		"slip that stays":  {archiveOf(t, entry{name: "n-1/../x"}), CodeArchiveSlip},
		"absolute":         {archiveOf(t, entry{name: "/etc/passwd"}), CodeArchiveSlip},
		"drive":            {archiveOf(t, entry{name: "C:/windows"}), CodeArchiveSlip},
		"backslash":        {archiveOf(t, entry{name: `n-1\..\..\x`}), CodeFileName},
		"git":              {archiveOf(t, entry{name: "n-1/.git/config"}), CodeFileName},
		"git folder":       {archiveOf(t, entry{name: "n-1/a/.git", kind: tar.TypeDir}), CodeFileName},
		"git file":         {archiveOf(t, entry{name: ".git"}), CodeFileName},
		"git of Windows":   {archiveOf(t, entry{name: "n-1/.GIT . /config"}), CodeFileName},
		"short git":        {archiveOf(t, entry{name: "n-1/Git~1/config"}), CodeFileName},
		"git stream":       {archiveOf(t, entry{name: "n-1/.git::$INDEX_ALLOCATION/config"}), CodeFileName},
		"git of macOS":     {archiveOf(t, entry{name: "n-1/.g\u200cit/config"}), CodeFileName},
		"control":          {archiveOf(t, entry{name: "n-1/a\x1b[2Jb"}), CodeFileName},
		"bidi":             {archiveOf(t, entry{name: "n-1/a\u202eb"}), CodeFileName},
		"deep":             {archiveOf(t, entry{name: strings.Repeat("a/", 9) + "x"}), CodeFileName},
		"long name":        {archiveOf(t, entry{name: strings.Repeat("a", 256)}), CodeFileName},
		"symlink":          {archiveOf(t, entry{name: "n-1/x", kind: tar.TypeSymlink, link: "/etc/passwd"}), CodeArchiveLink},
		"hard link":        {archiveOf(t, entry{name: "n-1/x", kind: tar.TypeLink, link: "n-1/y"}), CodeArchiveLink},
		"device":           {archiveOf(t, entry{name: "n-1/x", kind: tar.TypeChar}), CodeArchiveSpecial},
		"fifo":             {archiveOf(t, entry{name: "n-1/x", kind: tar.TypeFifo}), CodeArchiveSpecial},
		"twice":            {archiveOf(t, entry{name: "n-1/x"}, entry{name: "n-1//x"}), CodeArchiveTwice},
		"file then folder": {archiveOf(t, entry{name: "n-1/x"}, entry{name: "n-1/x/y"}), CodeArchiveTwice},
		"folder then file": {archiveOf(t, entry{name: "n-1/x/y"}, entry{name: "n-1/x"}), CodeArchiveTwice},
		"many files":       {archiveOf(t, many...), CodeArchiveBomb},
		"ratio":            {archiveOf(t, entry{name: "n-1/x", size: 20 << 20}), CodeArchiveBomb},
		"too large":        {archiveOf(t, entry{name: "n-1/x", size: 25 << 20}), CodeArchiveBomb},
		"holes":            {sparseOf(t, 20<<20), CodeArchiveBomb},
		"no gzip":          {[]byte("PK\x03\x04 a zip"), CodeArchiveFormat},
		"nothing":          {nil, CodeArchiveFormat},
		"no tar":           {gzipped([]byte(strings.Repeat("nonsense", 200))), CodeArchiveFormat},
		"cut off":          {valid[:len(valid)-20], CodeArchiveFormat},
		"damaged":          {damaged, CodeArchiveFormat},
		"zeros after it":   {append(slices.Clone(archiveOf(t, entry{name: "n-1/x"})), gzipped(make([]byte, 28<<20))...), CodeArchiveBomb},
	} {
		t.Run(name, func(t *testing.T) {
			for _, visit := range []func(File, io.Reader) error{nil, func(_ File, r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }} {
				_, err := ReadArchive(t.Context(), bytes.NewReader(tc.content), limits, visit)
				var p *Invalid
				if !errors.As(err, &p) || p.Code != tc.want || p.Severity != finding.Refused {
					t.Errorf("error is %v (%s), want %s", err, p.Code, tc.want)
				}
				if strings.ContainsFunc(fmt.Sprint(err), func(r rune) bool { return r < ' ' || r == 0x202e }) {
					t.Errorf("the error steers a terminal: %q", err)
				}
			}
			dir := t.TempDir()
			if _, err := Extract(t.Context(), bytes.NewReader(tc.content), dir, limits); err == nil {
				t.Error("it was unpacked")
			}
			if entries, _ := os.ReadDir(dir); len(entries) != 0 {
				t.Errorf("%d entries were written", len(entries))
			}
		})
	}
}

// sparseOf makes an archive with a file of that size that is one hole: a header in the old GNU format, and nothing behind it.
func sparseOf(t *testing.T, size int64) []byte {
	t.Helper()
	header := make([]byte, 512)
	copy(header, "n-1/x")
	copy(header[100:], "0000644\x000000000\x000000000\x0000000000000\x0000000000000\x00        S")
	copy(header[257:], "ustar  \x00")
	copy(header[386:], fmt.Sprintf("%011o\x00%011o\x00", size, 0)) // the only piece is an empty one, at the end
	copy(header[483:], fmt.Sprintf("%011o\x00", size))
	sum := 0
	for _, b := range header {
		sum += int(b)
	}
	copy(header[148:], fmt.Sprintf("%06o\x00 ", sum))
	content := gzipped(append(header, make([]byte, 1024)...))
	if h, err := tar.NewReader(mustGunzip(t, content)).Next(); err != nil || h.Size != size || h.Typeflag != tar.TypeGNUSparse {
		t.Fatalf("no sparse file: %+v, %v", h, err)
	}
	return content
}

func mustGunzip(t *testing.T, content []byte) io.Reader {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func gzipped(content []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(content)
	_ = w.Close()
	return b.Bytes()
}

// TestReadArchiveVisits holds what visit sees, reads and may do.
func TestReadArchiveVisits(t *testing.T) {
	var content bytes.Buffer
	if _, err := Archive(t.Context(), &content, "testdata/policies-1.0.0", nil); err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	all, err := ReadArchive(t.Context(), bytes.NewReader(content.Bytes()), Limits{}, func(f File, r io.Reader) error {
		if strings.HasSuffix(f.Path, "agent.yaml") {
			_, err := io.ReadAll(io.LimitReader(r, 10)) // the rest is read for it
			return err
		}
		text, err := io.ReadAll(r)
		seen[f.Path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	without, err := ReadArchive(t.Context(), bytes.NewReader(content.Bytes()), Limits{}, nil)
	if err != nil || !slices.Equal(all.Files, without.Files) || !slices.Equal(all.Images, without.Images) || len(all.Images) != 2 {
		t.Errorf("with and without visit: %+v and %+v, %v", all.Images, without.Images, err)
	}
	for _, f := range all.Files {
		text, _ := os.ReadFile(filepath.Join("testdata/policies-1.0.0", f.Path))
		if got := fmt.Sprintf("%x", sha256.Sum256(text)); got != f.SHA256 {
			t.Errorf("%s: %s, want %s", f.Path, f.SHA256, got)
		}
		if visited, ok := seen["policies-1.0.0/"+f.Path]; ok && visited != string(text) {
			t.Errorf("visit read %q of %s", visited, f.Path)
		}
	}
	if len(seen) != len(all.Files)-1 {
		t.Errorf("%d files were visited of %d", len(seen), len(all.Files))
	}
	count := 0
	_, err = ReadArchive(t.Context(), bytes.NewReader(content.Bytes()), Limits{}, func(File, io.Reader) error { count++; return Stop })
	if err != nil || count != 1 {
		t.Errorf("after Stop: %d visits, %v", count, err)
	}
	failure := errors.New("disk full")
	if _, err = ReadArchive(t.Context(), bytes.NewReader(content.Bytes()), Limits{}, func(File, io.Reader) error { return failure }); !errors.Is(err, failure) {
		t.Errorf("the error of visit: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(failure)
	if _, err = ReadArchive(ctx, bytes.NewReader(content.Bytes()), Limits{}, nil); !errors.Is(err, failure) {
		t.Errorf("after its context ended: %v", err)
	}
	if _, err = ReadArchive(t.Context(), io.MultiReader(bytes.NewReader(content.Bytes()[:200]), errorReader{failure}), Limits{}, nil); !errors.Is(err, failure) {
		t.Errorf("the error of its source: %v", err)
	}
}

type errorReader struct{ err error }

func (e errorReader) Read([]byte) (int, error) { return 0, e.err }

// TestExtractWritesOverNothing refuses a file that is there, and a way out through a link that is there.
func TestExtractWritesOverNothing(t *testing.T) {
	archive := archiveOf(t, entry{name: "n-1/pack.json", text: good}, entry{name: "n-1/sub/x", text: "new"})
	dir, outside := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, "sub", "x"), "old")
	if _, err := Extract(t.Context(), bytes.NewReader(archive), dir, Limits{}); err == nil {
		t.Error("a file was written over")
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "sub", "x")); string(text) != "old" {
		t.Errorf("the file holds %q", text)
	}
	dir = t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "sub")); err != nil {
		t.Skip(err)
	}
	if _, err := Extract(t.Context(), bytes.NewReader(archive), dir, Limits{}); err == nil {
		t.Error("a link led out of the folder")
	}
	if entries, _ := os.ReadDir(outside); len(entries) != 0 {
		t.Error("a file was written outside of the folder")
	}
}

// FuzzReadArchive reads anything without a panic, and what it takes stays inside the folder.
func FuzzReadArchive(f *testing.F) {
	f.Add(archiveOf(f, entry{name: "n-1/pack.json", text: good}, entry{name: "n-1/values.yaml", text: "pack:\n  content:\n    images:\n    - image: a/b:1\n"}))
	f.Add(archiveOf(f, entry{name: "../x"}))
	f.Add(archiveOf(f, entry{name: "n-1/charts/a.tgz", text: string(archiveOf(f, entry{name: "a/values.yaml", text: "image:\n  repository: a/b\n"}))}))
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, text := range [][]byte{content, gzipped(content)} {
			contents, err := ReadArchive(t.Context(), bytes.NewReader(text), Limits{Bytes: 1 << 20, Files: 100}, nil)
			if err != nil {
				continue
			}
			_ = contents.Lint()
			for _, file := range contents.Files {
				if !filepath.IsLocal(file.Path) {
					t.Errorf("took the path %q", file.Path)
				}
			}
		}
	})
}

func TestArchiveFSRefusesWhatChanges(t *testing.T) {
	fsys := fstest.MapFS{"pack.json": {Data: []byte(good)}, "grows": {Data: []byte("x")}}
	if _, err := archiveFS(t.Context(), io.Discard, fsys, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := archiveFS(t.Context(), failingWriter{}, fsys, nil); err == nil {
		t.Error("a full disk was not told")
	}
	if _, err := archiveFS(t.Context(), io.Discard, fstest.MapFS{"pack.json": {Data: []byte(`{"name":1}`)}}, nil); err == nil {
		t.Error("a pack without a version was archived")
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
