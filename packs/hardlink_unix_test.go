//go:build unix

package packs

import (
	"io/fs"
	"syscall"
	"testing"
	"testing/fstest"

	"packhouse/finding"
)

// TestForeignLink adds a hard link to a folder of user 1000.
func TestForeignLink(t *testing.T) {
	for name, tc := range map[string]struct {
		owner uint32
		names uint16
		want  bool
	}{
		"one name":            {0, 1, false},
		"the same owner":      {1000, 2, false},
		"another user's file": {0, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			fsys := fstest.MapFS{
				".":           {Mode: fs.ModeDir | 0o755, Sys: &syscall.Stat_t{Uid: 1000, Nlink: 3}},
				"pack.json":   {Data: []byte(good)},
				"values.yaml": {Data: []byte("pack: {}\n")},
			}
			linked := &syscall.Stat_t{Uid: tc.owner}
			for range tc.names {
				linked.Nlink++
			}
			fsys["values.yaml"].Sys = linked
			pack, err := Open(fsys)
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, p := range pack.Lint() {
				found = found || p.Code == CodeForeignLink && p.Severity == finding.Refused && p.File == ValuesFile
				if p.Code == CodeValuesMissing {
					t.Error("the file is reported as missing, too")
				}
			}
			if found != tc.want || pack.Has(ValuesFile) == tc.want {
				t.Errorf("refused: %t, want %t", found, tc.want)
			}
		})
	}
}
