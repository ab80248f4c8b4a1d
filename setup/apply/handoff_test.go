package apply

import (
	"os/exec"
	"strings"
	"testing"

	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
	"packhouse/setup/machine/machinetest"
)

// Lines for a shell say what they say whatever users, hosts and directories are called: they are run by one that only shows its words.
func TestHandoffLinesSurviveAShell(t *testing.T) {
	t.Parallel()
	const name = "o'brien | $(id) `id` x"
	for _, row := range []struct {
		flags answer.Values
		want  []string
	}{
		{answer.Values{"hostname": {"registry.example.com"}, "addr": {":5000"}, "admin": {name}}, []string{
			"docker login registry.example.com:5000",
			"curl --cacert ca.crt -u " + name + " https://registry.example.com:5000/v2/_catalog",
		}},
		{answer.Values{"hostname": {"2001:db8::17"}, "addr": {":5000"}, "admin": {name}, "tls": {"off"}, "insecure": {"true"}}, []string{
			"podman login --tls-verify=false [2001:db8::17]:5000",
			"oras push --image-spec v1.0 --plain-http [2001:db8::17]:5000/spectro-packs/archive/NAME:VERSION NAME-VERSION.tar.gz",
			"curl -u " + name + " http://[2001:db8::17]:5000/v2/_catalog",
		}},
	} {
		text := planFor(
			t, machinetest.New(t, &machinetest.Host{}), t.TempDir(), row.flags,
		).Change(installation.HandoffFile).
			After
		if cell := `o'brien \| $(id) ` + "\\`id\\`" + ` x (admin) |`; !strings.Contains(string(text), cell) {
			t.Errorf("the table of users lacks %s:\n%s", cell, text)
		}
		for _, want := range row.want {
			program, _, _ := strings.Cut(want, " ")
			found := false
			for line := range strings.Lines(string(text)) {
				if !strings.HasPrefix(line, program+" ") {
					continue
				}
				words, err := exec.CommandContext(t.Context(), "/bin/sh", "-fc", "printf '%s ' "+line).CombinedOutput()
				found = found || err == nil && strings.TrimSpace(string(words)) == want
			}
			if !found {
				t.Errorf("no line means %s:\n%s", want, text)
			}
		}
	}
}

// What starts a server is told as it has to be typed.
func TestStateSaysHowToStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/my registry"
	if got, want := installation.StateOf(machinetest.New(t, &machinetest.Host{}), &installation.Installed{Dir: dir}, "").Start, "packhouse serve '"+dir+"/myconfig.yml'"; got != want {
		t.Errorf("in the foreground: %s, want %s", got, want)
	}
	supervised := &installation.Installed{
		Dir: dir,
		Manifest: &installation.Manifest{
			Settings: map[string]string{"service": setup.Systemd},
			Files:    []installation.ManifestFileRow{{Path: setup.UnitFile}},
		},
	}
	start := installation.StateOf(machinetest.New(t, &machinetest.Host{}), supervised, "").Start
	if want := "systemctl start packhouse"; !strings.HasPrefix(strings.TrimPrefix(start, "sudo "), want) {
		t.Errorf("by systemd: %s, want %s", start, want)
	}
}
