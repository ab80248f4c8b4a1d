package apply

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
	"packhouse/setup/machine/machinetest"
)

// TestLostConfiguration removes myconfig.yml of an installation. Setup takes the answers from
// answers.yml, or the directory of the content from .installed.json, and otherwise requires the
// location of the content.
func TestLostConfiguration(t *testing.T) {
	const outside = "../store"
	elsewhere := answer.Values{"storage-path": {"/elsewhere"}}
	unrecorded := []string{installation.AnswersFile}
	for name, tc := range map[string]struct {
		store  string   // directory of the content; relative: below the installation directory
		remove []string // files removed beside myconfig.yml
		edit   bool     // answers.yml is edited
		flags  answer.Values
		want   string   // directory of the content
		remedy []string // parts of the remedy; nil: not refused
	}{
		"recorded answers":        {store: outside, want: outside},
		"flag over the record":    {store: outside, flags: elsewhere, want: "/elsewhere"},
		"directory in the record": {store: "content", remove: unrecorded, want: "content"},
		"no record":               {store: outside, remove: unrecorded, remedy: []string{" --storage-path "}},
		"storage given": {
			store: outside, remove: unrecorded, flags: answer.Values{"storage": {"filesystem"}},
			remedy: []string{" --storage-path "},
		},
		"path given":     {store: outside, remove: unrecorded, flags: elsewhere, want: "/elsewhere"},
		"edited answers": {store: outside, edit: true, remedy: []string{" --answers ", installation.AnswersFile}},
		"not an installation": {
			store: outside, remove: []string{installation.AnswersFile, installation.ManifestFile}, want: "data",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "a directory")
			at := func(path string) string {
				if filepath.IsAbs(path) {
					return path
				}
				return filepath.Join(dir, path)
			}
			install(t, m, dir, answer.Values{
				"storage-path": {at(tc.store)}, "addr": {":5001"}, "hostname": {"registry.example.com"},
			})
			for _, file := range append(tc.remove, installation.ConfigFile) {
				if err := os.Remove(filepath.Join(dir, file)); err != nil {
					t.Fatal(err)
				}
			}
			if tc.edit {
				path := filepath.Join(dir, installation.AnswersFile)
				if err := os.WriteFile(path, []byte("storage-path: /edited\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			in, err := installation.Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, quick := range []bool{false, true} {
				resolved, findings := answer.Resolve(t.Context(), m, in, answer.Input{Flags: tc.flags, Quick: quick})
				got := resolved.Answers
				i := slices.IndexFunc(findings, func(f finding.Finding) bool { return f.Severity == finding.Refused })
				if tc.remedy != nil {
					if i < 0 || findings[i].Question != "storage-path" || got.StoragePath != "" {
						t.Fatalf("storage %q, findings %v", got.StoragePath, findings)
					}
					for _, part := range append(tc.remedy, "packhouse setup --yes --dir "+setup.Shell(dir)) {
						if !strings.Contains(findings[i].Remedy, part) {
							t.Errorf("remedy %q, want %q in it", findings[i].Remedy, part)
						}
					}
					continue
				}
				if i >= 0 || got.StoragePath != at(tc.want) {
					t.Errorf("storage %s, want %s\n%v", got.StoragePath, at(tc.want), findings)
				}
				if recorded := tc.remove == nil && !tc.edit; recorded != (got.Addr == ":5001") {
					t.Errorf("address %s, recorded %v", got.Addr, recorded)
				}
			}
		})
	}
}
