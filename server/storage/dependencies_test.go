package storage_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/storage"
)

// named returns a digest that differs from others in its first bytes.
func named(name string) digest.Digest { return digest.FromString(name) }

// imageOf is a manifest whose layers are the given ones, and indexOf one whose children are.
func imageOf(layers ...string) *manifest.Manifest {
	m := &manifest.Manifest{MediaType: manifest.OCIManifest}
	for _, l := range layers {
		m.Layers = append(m.Layers, manifest.Descriptor{Digest: named(l), Size: 1})
	}
	return m
}

func indexOf(children ...string) *manifest.Manifest {
	m := &manifest.Manifest{MediaType: manifest.OCIIndex}
	for _, c := range children {
		m.Manifests = append(m.Manifests, manifest.Descriptor{MediaType: manifest.OCIManifest, Digest: named(c), Size: 1})
	}
	return m
}

// recorded is a record of some manifests.
func recorded() (body []byte, exist []digest.Digest) {
	for _, e := range []struct {
		name string
		of   *manifest.Manifest
	}{
		{"one", imageOf("base", "a")},
		{"two", imageOf("base", "b")},
		{"inner", indexOf("one")},
		{"outer", indexOf("inner", "two")},
		{"loop", indexOf("loop", "outer")},
		{"empty", imageOf()},
	} {
		body = storage.AppendDependencies(body, named(e.name), e.of)
		exist = append(exist, named(e.name))
	}
	return body, exist
}

func TestDependents(t *testing.T) {
	body, exist := recorded()
	for _, c := range []struct {
		of      string
		without string // a manifest that does not exist any more
		unread  string // a manifest that exists and is not in the record
		want    []string
	}{
		{of: "a", want: []string{"one", "inner", "outer", "loop"}},
		{of: "b", want: []string{"two", "outer", "loop"}},
		{of: "base", want: []string{"one", "two", "inner", "outer", "loop"}},
		{of: "two", want: []string{"outer", "loop"}},
		{of: "loop"},
		{of: "nothing"},
		{of: "a", without: "inner", want: []string{"one"}},
		{of: "nothing", unread: "damaged", want: []string{"damaged"}},
		{of: "damaged", unread: "damaged"},
	} {
		here := slices.DeleteFunc(slices.Clone(exist), func(d digest.Digest) bool { return d == named(c.without) })
		if c.unread != "" {
			here = append(here, named(c.unread))
		}
		got := storage.ReadDependencies(body).Dependents(named(c.of), here)
		for _, w := range c.want {
			if !got[named(w)] {
				t.Errorf("%+v: %s is missing", c, w)
			}
		}
		if len(got) != len(c.want) {
			t.Errorf("%+v: %d manifests", c, len(got))
		}
	}
}

// TestDamagedDependencies damages each byte of a record: what follows is not known, so that it is
// read again, and what is known is right.
func TestDamagedDependencies(t *testing.T) {
	body, exist := recorded()
	whole := storage.ReadDependencies(slices.Clone(body))
	for at := range body {
		for what, damaged := range map[string][]byte{"changed": slices.Clone(body), "cut": slices.Clone(body[:at])} {
			if what == "changed" {
				damaged[at] ^= 0x40
			}
			r := storage.ReadDependencies(damaged)
			for _, d := range exist {
				if !r.Has(d) {
					continue
				}
				one := storage.ReadDependencies(r.Record([]digest.Digest{d}))
				for _, of := range []string{"base", "a", "b", "one", "two", "inner"} {
					if one.Dependents(named(of), []digest.Digest{d})[d] != whole.Dependents(named(of), []digest.Digest{d})[d] {
						t.Fatalf("byte %d %s: %s is wrong about %s", at, what, d, of)
					}
				}
			}
		}
	}
}

func TestDependenciesOutdated(t *testing.T) {
	body, exist := recorded()
	if r := storage.ReadDependencies(slices.Clone(body)); r.Outdated(len(exist)) {
		t.Error("a record as it was written is outdated")
	}
	if r := storage.ReadDependencies(append(slices.Clone(body), 1)); !r.Outdated(len(exist)) {
		t.Error("a damaged record is not")
	}
	r := storage.ReadDependencies(slices.Clone(body))
	for i := range 100 {
		r.Join(storage.AppendDependencies(nil, named(fmt.Sprint(i)), imageOf("a")))
	}
	if !r.Outdated(1) || r.Outdated(106) {
		t.Error("only a record of which most does not exist is outdated")
	}
	again := storage.ReadDependencies(r.Record([]digest.Digest{named("7"), named("one"), named("unknown")}))
	if !again.Has(named("7")) || !again.Has(named("one")) || again.Has(named("two")) || again.Outdated(2) {
		t.Error("the record of three manifests")
	}
}

func FuzzReadDependencies(f *testing.F) {
	body, exist := recorded()
	f.Add(body)
	f.Add(body[:len(body)-1])
	f.Fuzz(func(t *testing.T, body []byte) {
		r := storage.ReadDependencies(slices.Clone(body))
		r.Dependents(exist[0], exist)
		again := storage.ReadDependencies(r.Record(exist))
		for _, d := range exist {
			if r.Has(d) != again.Has(d) {
				t.Errorf("%s is lost", d)
			}
		}
	})
}
