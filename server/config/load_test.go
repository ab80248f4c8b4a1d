package config

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"packhouse/finding"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// secretFiles stand for what …_FILE variables name in tests.
func secretFiles(path string) ([]byte, error) {
	switch path {
	case "/run/secrets/good":
		return []byte("canary-from-file\n"), nil
	case "/run/secrets/empty":
		return []byte("\n"), nil
	case "/run/secrets/lines":
		return []byte("canary-one\ncanary-two\n"), nil
	case "/run/secrets/locked":
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
	}
	return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
}

// golden is one case of a golden table. In the file a case starts with "=== name"; "$ " starts a variable and "> " a line that is expected,
// all others are the document. Without a document the built-in default is used.
type golden struct {
	name string
	env  []string
	data string
	want string
}

func (g golden) source() Source {
	src := Source{Path: "myconfig.yml", Data: []byte(g.data), Env: g.env, ReadFile: secretFiles}
	if g.data == "" {
		src.Path, src.Data = "", nil
	}
	return src
}

func readGolden(t testing.TB, file string) []golden {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var cases []golden
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(line, "=== "); ok {
			cases = append(cases, golden{name: strings.TrimSpace(name)})
			continue
		}
		g := &cases[len(cases)-1]
		if variable, ok := strings.CutPrefix(line, "$ "); ok {
			g.env = append(g.env, strings.TrimSuffix(variable, "\n"))
		} else if want, ok := strings.CutPrefix(line, "> "); ok {
			g.want += want
		} else {
			g.data += line
		}
	}
	return cases
}

func writeGolden(t *testing.T, file string, cases []golden) {
	t.Helper()
	var b bytes.Buffer
	for _, g := range cases {
		fmt.Fprintf(&b, "=== %s\n", g.name)
		for _, line := range g.env {
			fmt.Fprintf(&b, "$ %s\n", line)
		}
		b.WriteString(g.data)
		for line := range strings.Lines(g.want) {
			fmt.Fprintf(&b, "> %s", line)
		}
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// runGolden compares what outcome says about each case with the golden file.
func runGolden(t *testing.T, file string, outcome func(t *testing.T, g golden) string) {
	t.Helper()
	cases := readGolden(t, file)
	seen := map[string]bool{}
	for i, g := range cases {
		t.Run(g.name, func(t *testing.T) {
			if seen[g.name] {
				t.Fatal("a case of that name is there already")
			}
			seen[g.name] = true
			got := outcome(t, g)
			if *update {
				cases[i].want = got
				return
			}
			if got != g.want {
				t.Errorf("got:\n%swant:\n%s", got, g.want)
			}
		})
	}
	if *update {
		writeGolden(t, file, cases)
	}
}

// TestLoadRefuses holds the exact words of every refusal.
func TestLoadRefuses(t *testing.T) {
	runGolden(t, "testdata/broken.txt", func(t *testing.T, g golden) string {
		loaded, err := Load(g.source())
		if err == nil {
			t.Fatalf("accepted as %+v", loaded.Config)
		}
		var problems Findings
		if !errors.As(err, &problems) || len(problems) == 0 {
			t.Fatalf("error is a %T: %v", err, err)
		}
		for _, p := range problems {
			if p.Code == "" || p.Severity != finding.Refused || p.What == "" || p.Remedy == "" {
				t.Errorf("incomplete problem %+v", p)
			}
			if strings.Contains(p.String(), "\n") {
				t.Errorf("problem on several lines: %q", p.String())
			}
			if strings.Contains(fmt.Sprintf("%+v", p), "canary") {
				t.Errorf("a secret in %+v", p)
			}
		}
		return err.Error() + "\n"
	})
	if n := len(readGolden(t, "testdata/broken.txt")); n < 60 {
		t.Errorf("only %d cases", n)
	}
}

// TestLoadAccepts holds what is accepted, and what is said about it.
func TestLoadAccepts(t *testing.T) {
	runGolden(t, "testdata/accepted.txt", func(t *testing.T, g golden) string {
		loaded, err := Load(g.source())
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, p := range loaded.Notices {
			fmt.Fprintf(&b, "%s: %s\n", Label(p.Severity), p)
		}
		for _, r := range loaded.rows() { // what somebody gave; the defaults are in the reference
			if r.origin.Kind != FromDefault {
				fmt.Fprintf(&b, "%s = %v (%s)\n", strings.Join(r.path, "."), r.value, r.origin)
			}
		}
		if strings.Contains(b.String(), "canary") {
			t.Errorf("a secret in %s", b.String())
		}
		return b.String()
	})
}
