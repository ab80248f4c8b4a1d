package htpasswd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRemediesNameTheFile verifies that every remedy names a command with the path of the file.
func TestRemediesNameTheFile(t *testing.T) {
	const path, quoted = "/etc/my registry/htpasswd", "'/etc/my registry/htpasswd'"
	hash, _ := hashes(t)
	for _, tc := range []struct{ data, code, want string }{
		{"admin\n", CodeNoColon, "run sed -i 1d " + quoted},
		{":" + hash + "\n", CodeEmptyName, "run sed -i 1d " + quoted},
		{"\n" + hash + ":admin\n", CodeBadName, "run sed -i 2d " + quoted + ", then run packhouse user add NAME"},
		{"../x:" + hash + "\n", CodeOldName, "run packhouse user add NAME under another name, then run sed -i 1d " + quoted},
		{"ci:\n", CodeEmptyHash, "run packhouse user add ci, or htpasswd -B " + quoted + " ci"},
		{"ci:$apr1$x$y\n", CodeKind, "run packhouse user add ci, or htpasswd -B " + quoted + " ci"},
		{"ci:" + hash[:20] + "\n", CodeDamaged, "run packhouse user add ci, or htpasswd -B " + quoted + " ci"},
		{"ci:letmein\n", CodePlain, "run sed -i 1d " + quoted},
		{"ci:" + hash + "\nci:" + hash + "\n", CodeDuplicate, "run sed -i 1d " + quoted},
		{bom + "ci:" + hash + "\n", CodeBOM, `run sed -i '1s/^\xef\xbb\xbf//' ` + quoted},
		{"\xff\xfec\x00i\x00", CodeEncoding, "iconv -f UTF-16 -t UTF-8 " + quoted},
	} {
		_, problems := ParseFile(path, []byte(tc.data))
		if len(problems) != 1 || problems[0].Code != tc.code || !strings.Contains(problems[0].Remedy, tc.want) {
			t.Errorf("%q: %+v, want %s: %q", tc.data, problems, tc.code, tc.want)
		}
	}
}

// TestRemediesRepair runs the commands that need no other program of this one.
func TestRemediesRepair(t *testing.T) {
	for _, tool := range []string{"sh", "sed", "iconv"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	hash, _ := hashes(t)
	good := "ci:" + hash + "\n"
	wide := "\xff\xfe"
	for _, r := range good {
		wide += string([]byte{byte(r), 0})
	}
	for name, data := range map[string]string{
		"no colon": good + "garbage\n", "mark": bom + good, "UTF-16": wide, "twice": good + good,
	} {
		path := filepath.Join(t.TempDir(), "my users")
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		_, problems := ParseFile(path, []byte(data))
		if len(problems) != 1 {
			t.Fatalf("%s: %v, want one problem", name, problems)
		}
		command, _, _ := strings.Cut(strings.TrimPrefix(problems[0].Remedy, "run "), ";")
		if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil { //nolint:gosec // our own
			t.Errorf("%s: %s: %v\n%s", name, command, err, out)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != good {
			t.Errorf("%s: after %s: %q, %v, want %q", name, command, got, err, good)
		}
	}
}
