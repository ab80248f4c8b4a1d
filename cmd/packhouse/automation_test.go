//go:build linux

package main

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"packhouse/cmd/packhouse/cli"
)

// automationExamples returns the commands of the examples in docs/automation.md: those of cloud-init and those of Ansible.
func automationExamples(t *testing.T) (cloudInit, ansible [][]string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/automation.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?ms)^```yaml\n(.*?)^```").FindAllStringSubmatch(string(page), -1) {
		if strings.HasPrefix(block[1], "#cloud-config") {
			var data struct {
				RunCmd [][]string `yaml:"runcmd"`
			}
			if err := yaml.Unmarshal([]byte(block[1]), &data); err != nil {
				t.Fatal(err)
			}
			cloudInit = append(cloudInit, data.RunCmd...)
			continue
		}
		var plays []struct {
			Tasks []struct {
				Command struct {
					Argv []string `yaml:"argv"`
				} `yaml:"ansible.builtin.command"`
			} `yaml:"tasks"`
		}
		if err := yaml.Unmarshal([]byte(block[1]), &plays); err != nil {
			t.Fatal(err)
		}
		for _, task := range plays[0].Tasks {
			if len(task.Command.Argv) > 0 {
				ansible = append(ansible, task.Command.Argv)
			}
		}
	}
	return cloudInit, ansible
}

// TestAutomationExamples runs the examples of docs/automation.md twice: the second run succeeds and changes nothing.
func TestAutomationExamples(t *testing.T) {
	t.Parallel()
	cloudInit, ansible := automationExamples(t)
	if len(cloudInit) < 3 || len(ansible) < 4 {
		t.Fatalf("examples: %d of cloud-init, %d of Ansible", len(cloudInit), len(ansible))
	}
	for name, lines := range map[string][][]string{"cloud-init": cloudInit, "Ansible": ansible} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, publicRoot(t))
			secret := s.write("admin", "correct horse battery\n", 0o600)
			place := strings.NewReplacer("/etc/packhouse.admin", secret, "/etc/packhouse", s.dir, "registry.example.com", "localhost")
			for round, want := range []bool{true, false} {
				for _, line := range lines {
					args := make([]string, 0, len(line))
					for _, arg := range line[1:] {
						if arg == ":5000" {
							arg = "127.0.0.1:" + s.port
						}
						args = append(args, place.Replace(arg))
					}
					got := s.run(args...)
					if args[0] == "check" { // the server does not run as a service here
						continue
					}
					if got.code != cli.ExitOK {
						t.Fatalf("%q exits with %d: %s", args, got.code, got.stderr)
					}
					if changed := reportsChange(t, got.stdout); changed && !want || round == 0 && args[0] == "setup" && !changed {
						t.Errorf("round %d: %q reports changed=%v", round, args, changed)
					}
				}
			}
		})
	}
}

// reportsChange reports whether the output of a command says that it changed anything.
func reportsChange(t *testing.T, stdout string) bool {
	t.Helper()
	if strings.HasPrefix(stdout, "{") {
		var report struct{ Applied, Changed bool }
		if err := json.Unmarshal([]byte(stdout), &report); err != nil {
			t.Fatalf("read %q: %v", stdout, err)
		}
		return report.Applied || report.Changed
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	switch last := lines[len(lines)-1]; last {
	case "changed":
		return true
	case "unchanged", "":
		return false
	default:
		t.Errorf("the last line of output is %q", last)
		return false
	}
}
