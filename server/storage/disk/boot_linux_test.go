package disk

import (
	"os"
	"path/filepath"
	"testing"
)

func TestBootID(t *testing.T) {
	const plain, dashed = "0f8fad5bd9cb469fa16570867728950e", "0f8fad5b-d9cb-469f-a165-70867728950e"
	kernel := filepath.Join(t.TempDir(), "boot_id")
	if err := os.WriteFile(kernel, []byte(dashed+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, file, variable, want string
	}{
		{"kernel", kernel, "", dashed},
		{"kernel before variable", kernel, "11111111111111111111111111111111", dashed},
		{"hidden by ProcSubset=pid", kernel + ".hidden", plain, dashed},
		{"hidden, no variable", kernel + ".hidden", "", ""},
		{"hidden, not an ID", kernel + ".hidden", "%b", ""},
		{"hidden, too short", kernel + ".hidden", plain[:30], ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := bootID(test.file, func(name string) string {
				if name != bootVariable {
					t.Errorf("read variable %s", name)
				}
				return test.variable
			})
			if got != test.want {
				t.Errorf("bootID = %q, want %q", got, test.want)
			}
		})
	}
}
