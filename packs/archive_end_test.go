package packs

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"packhouse/finding"
)

// TestArchiveWithTrailingData verifies that nothing but padding follows the end of an archive:
// programs disagree about whether to read such data.
func TestArchiveWithTrailingData(t *testing.T) {
	pack := archiveOf(t, entry{name: "n-1/pack.json", text: good}, entry{name: "n-1/values.yaml"})
	plain := gunzipped(t, pack)
	hidden := archiveOf(t, entry{name: "n-1/hidden.yaml", text: "a: b"})
	for name, content := range map[string][]byte{
		"second archive":           slices.Concat(pack, hidden),
		"second archive, one gzip": gzipped(slices.Concat(plain, gunzipped(t, hidden))),
		"second archive, padded":   slices.Concat(pack, gzipped(make([]byte, 1<<20)), hidden),
		"byte after the tar":       gzipped(append(slices.Clone(plain), 'x')),
		"byte in the padding":      gzipped(slices.Concat(plain, make([]byte, 9000), []byte{1}, make([]byte, 100))),
		"text after the gzip":      append(slices.Clone(pack), "#!/bin/sh\necho hello\n"...),
		"byte after the gzip":      append(slices.Clone(pack), 'x'),
		"zero after the gzip":      append(slices.Clone(pack), 0),
		"beginning of a member":    append(slices.Clone(pack), hidden[:5]...),
		"text after an empty gzip": slices.Concat(pack, gzipped(nil), []byte("hello, world")),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadArchive(t.Context(), bytes.NewReader(content), Limits{}, nil)
			var p *Invalid
			if !errors.As(err, &p) || p.Code != CodeArchiveTrail || p.Severity != finding.Refused {
				t.Fatalf("error is %v, want %s", err, CodeArchiveTrail)
			}
			if !strings.Contains(p.What, "at byte ") || !strings.Contains(p.Remedy, "tar -czf") {
				t.Errorf("the finding lacks the place or the remedy: %v", p)
			}
		})
	}
}

// TestArchiveWithPadding verifies that archives of all common programs are accepted.
func TestArchiveWithPadding(t *testing.T) {
	pack := archiveOf(t, entry{name: "n-1/pack.json", text: good}, entry{name: "n-1/values.yaml", text: strings.Repeat("# text\n", 4000)})
	plain := gunzipped(t, pack)
	var members []byte // as bgzip writes them: one after the other, and an empty one at the end
	for block := range slices.Chunk(plain, 1000) {
		members = append(members, gzipped(block)...)
	}
	for name, content := range map[string][]byte{
		"no padding":            pack,
		"record of 10240 bytes": gzipped(append(slices.Clone(plain), make([]byte, 10240-len(plain)%10240)...)),
		"record of 1 MiB":       gzipped(append(slices.Clone(plain), make([]byte, 1<<20)...)),
		"no end blocks":         gzipped(plain[:len(plain)-1024]),
		"members":               members,
		"empty last member":     append(slices.Clone(members), gzipped(nil)...),
		"padding in a member":   append(slices.Clone(pack), gzipped(make([]byte, 9216))...),
	} {
		t.Run(name, func(t *testing.T) {
			contents, err := ReadArchive(t.Context(), bytes.NewReader(content), Limits{}, nil)
			if err != nil || len(contents.Files) != 2 {
				t.Errorf("%+v, %v", contents, err)
			}
		})
	}
}

// gunzipped returns the tar in an archive.
func gunzipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var plain bytes.Buffer
	if _, err := plain.ReadFrom(mustGunzip(t, content)); err != nil {
		t.Fatal(err)
	}
	return plain.Bytes()
}
