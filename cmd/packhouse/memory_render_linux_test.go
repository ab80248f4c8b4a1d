package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestMemoryOfRendering verifies that a template that needs all memory ends with a clear message, within
// the stated limit.
func TestMemoryOfRendering(t *testing.T) {
	t.Parallel() // it is a process of its own
	binary, err := exec.LookPath("packhouse")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "p-1.0.0")
	chart := packOfFiles(t, "c", map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n", "values.yaml": "",
		"templates/a.yaml": "{{ range untilStep 0 1000000000 1 }}a{{ end }}",
	})
	for name, content := range map[string]string{
		"pack.json": packJSON("p", `, "charts": ["charts/c-1.0.0.tgz"]`), "values.yaml": "a: b\n",
		"charts/c-1.0.0.tgz": string(chart),
	} {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.Command(binary, "pack", "lint", dir)
	output, _ := command.CombinedOutput() // it reports findings
	if !strings.Contains(string(output), "needed more than 1024 MiB of memory") {
		t.Errorf("it says:\n%s", output)
	}
	usage, ok := command.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Fatal("no usage")
	}
	largest := usage.Maxrss << 10 // of the command and its child
	t.Logf("%d MiB", largest/mib)
	if !hasRaceDetector() && largest > 1024*mib { // the detector needs memory of its own
		t.Errorf("rendering needed %d MiB", largest/mib)
	}
}
