package reference

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

func TestParseRepository(t *testing.T) {
	good := []string{"a", "a/b", "team-a/nginx", "a.b/c_d/e__f/g--h", "spectro-packs/archive/nginx", "0", "a/blobs/uploads", strings.Repeat("a", MaxName)}
	for _, name := range good {
		if r, err := ParseRepository(name); err != nil || r.String() != name || r.IsZero() {
			t.Errorf("%q: %v", name, err)
		}
	}
	bad := []string{
		"", "/", "a/", "/a", "a//b", "A", "a/B", "..", "a/../b", "a/.", ".a", "a.", "a..b", "a___b", "-a", "a-", "_a", "a b", "a\n", "a\x00b",
		`a\b`, "a:b", "a@b", "a%2fb", "é", strings.Repeat("a", MaxName+1),
	}
	for _, name := range bad {
		if r, err := ParseRepository(name); !errors.Is(err, ErrName) || !r.IsZero() {
			t.Errorf("%q was taken: %v", name, err)
		}
	}
}

// namePattern is the regular expression of the specification.
var namePattern = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)

// TestNamesOfTheSpecification compares all short names with the specification.
func TestNamesOfTheSpecification(t *testing.T) {
	var try func(name string)
	try = func(name string) {
		if _, err := ParseRepository(name); (err == nil) != namePattern.MatchString(name) {
			t.Errorf("%q: %v", name, err)
		}
		if len(name) < 5 {
			for _, c := range "a0A._-/" {
				try(name + string(c))
			}
		}
	}
	try("")
}

func FuzzParseRepository(f *testing.F) {
	for _, name := range []string{"team-a/nginx", "a.b/c_d/e__f/g--h", "a___b", "a-/b", "\xff"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if _, err := ParseRepository(name); (err == nil) != (len(name) <= MaxName && namePattern.MatchString(name)) {
			t.Errorf("%q: %v", name, err)
		}
	})
}

func BenchmarkParseRepository(b *testing.B) {
	for b.Loop() {
		if _, err := ParseRepository("registry/spectro-packs/archive/ingress-nginx"); err != nil {
			b.Fatal(err)
		}
	}
}

func TestParseTag(t *testing.T) {
	for _, name := range []string{"latest", "1.0", "_x", "LTS__22.4.x", "a-b", strings.Repeat("a", 128)} {
		if tag, err := ParseTag(name); err != nil || tag.String() != name || tag.IsZero() {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", ".", "..", "-a", ".a", "a/b", "a b", "a:b", "a\n", "é", strings.Repeat("a", 129)} {
		if _, err := ParseTag(name); !errors.Is(err, ErrTag) {
			t.Errorf("%q was taken: %v", name, err)
		}
	}
}

func TestParseDigest(t *testing.T) {
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 128)
	for _, name := range []string{"sha256:" + a, "sha512:" + b} {
		if d, err := ParseDigest(name); err != nil || d.String() != name {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "sha256", "sha256:", "sha256:" + b, "sha512:" + a, "sha256:" + strings.ToUpper(a), "sha384:" + strings.Repeat("a", 96), "md5:" + a[:32], "sha256:" + a[:63] + "/", a, "sha256:../" + a[:61]} {
		if _, err := ParseDigest(name); !errors.Is(err, ErrDigest) {
			t.Errorf("%q was taken: %v", name, err)
		}
	}
}

func TestPack(t *testing.T) {
	tests := []struct {
		repository, base, name string
		ok                     bool
	}{
		{"spectro-packs/archive/nginx", "", "nginx", true},
		{"team/a/spectro-packs/archive/nginx", "team/a", "nginx", true},
		{"spectro-packs/archive", "", "", false},
		{"spectro-packs/archive/a/b", "", "", false},
		{"xspectro-packs/archive/nginx", "", "", false},
		{"nginx", "", "", false},
	}
	for _, tt := range tests {
		r, err := ParseRepository(tt.repository)
		if err != nil {
			t.Fatal(err)
		}
		base, name, ok := r.Pack()
		if base != tt.base || name != tt.name || ok != tt.ok {
			t.Errorf("%s: got %q, %q, %t", tt.repository, base, name, ok)
		}
		if ok && PackPrefix(base)+name != tt.repository {
			t.Errorf("%s: prefix is %q", tt.repository, PackPrefix(base))
		}
	}
}

// FuzzParseDigest compares what is taken with go-digest, which knows more algorithms and nothing less strict.
func FuzzParseDigest(f *testing.F) {
	for _, seed := range []string{"sha256:" + strings.Repeat("a", 64), "sha512:" + strings.Repeat("0", 128), "sha256:" + strings.Repeat("A", 64), "sha384:" + strings.Repeat("a", 96), "a:b", ":"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		theirs, err := digest.Parse(s)
		want := err == nil && (theirs.Algorithm() == digest.SHA256 || theirs.Algorithm() == digest.SHA512)
		if d, err := ParseDigest(s); (err == nil) != want || err == nil && d.String() != s {
			t.Errorf("%q: %v, go-digest says %t", s, err, want)
		}
	})
}

// FuzzNames checks that what is taken for a name or a tag leads nowhere as a path, and is not longer than a file system takes.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{"a", "a/b-c/d__e", "..", "a/../b", "a//b", "_uploads", "a\n", "A", "a.b", "v1.0", ".x", "a\x00", strings.Repeat("a", 256)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := ParseRepository(s); err == nil {
			for part := range strings.SplitSeq(r.String(), "/") {
				if part == "" || len(part) > 255 || strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" || strings.ContainsAny(part[:1], "._-") {
					t.Fatalf("%q is a name", s)
				}
			}
			if base, name, ok := r.Pack(); ok && PackPrefix(base)+name != s {
				t.Fatalf("%q is pack %q of %q", s, name, base)
			}
		}
		if tag, err := ParseTag(s); err == nil && (tag.String() != s || len(s) > 128 || strings.ContainsAny(s, "/\\\x00\r\n ") || strings.ContainsAny(s[:1], ".-")) {
			t.Fatalf("%q is a tag", s)
		}
	})
}
