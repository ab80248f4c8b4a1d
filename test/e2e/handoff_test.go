package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHandoffLinesWork takes the lines of handoff.md, which people copy, and
// runs them. What a person types at a prompt comes through standard input
// instead, and the placeholders are filled in; nothing else is changed.
func TestHandoffLinesWork(t *testing.T) {
	oras := need(t, "oras")
	// The host name has to be one that this machine resolves.
	in := install(t, "--hostname", "127.0.0.1")
	s := in.serve()
	text, err := os.ReadFile(filepath.Join(in.dir, "handoff.md"))
	if err != nil {
		t.Fatalf("read the handoff: %v", err)
	}
	line := func(start string) string {
		t.Helper()
		for candidate := range strings.Lines(string(text)) {
			if strings.HasPrefix(candidate, start) {
				return strings.TrimSpace(candidate)
			}
		}
		t.Fatalf("the handoff has no line that starts with %q:\n%s", start, text)
		return ""
	}

	shell := newTool(t, "sh")
	shell.set("PATH", filepath.Dir(oras)+":"+os.Getenv("PATH"))
	ca, err := os.ReadFile(in.ca())
	if err != nil {
		t.Fatalf("read the CA: %v", err)
	}
	shell.write("ca.crt", ca)
	shell.write("pack/pack.json", []byte(`{"name":"hello","displayName":"Hello","version":"1.0.0","layer":"addon"}`))

	password := in.passwords[admin]
	shell.runWith(password, "-c", line("oras login")+" --username "+admin+" --password-stdin")
	filled := strings.NewReplacer("NAME", "hello", "VERSION", "1.0.0", "PACK_FOLDER", "pack")
	shell.run("-c", filled.Replace(line("tar ")))
	shell.run("-c", filled.Replace(line("oras push")))
	catalogue := shell.runWith(`user = "`+admin+":"+password+`"`, "-c", strings.Replace(line("curl "), "-u admin", "-sS --fail -K -", 1))
	if !strings.Contains(catalogue, `"spectro-packs/archive/hello"`) {
		t.Errorf("the catalogue lacks the pack that was pushed: %s", catalogue)
	}
	s.stop()

	// The certificate in the text is the one that clients have to trust.
	if !strings.Contains(string(text), strings.TrimSpace(string(ca))) {
		t.Error("the handoff holds another certificate than the one to hand out")
	}
}

// TestCardLinesWork pastes every line of the card, with the password through
// standard input: by address and by the name localhost, which oras takes for
// plain HTTP.
func TestCardLinesWork(t *testing.T) {
	oras := need(t, "oras")
	for _, name := range []string{"127.0.0.1", "localhost"} {
		t.Run(name, func(t *testing.T) {
			in := install(t, "--hostname", name)
			s := in.serve()
			defer s.stop()
			var report struct {
				Card struct {
					TrustPrint string `json:"caFingerprint"`
					Commands   []struct{ Title, Line string }
				}
			}
			out := newTool(t, binary(t)).run("setup", "--yes", "--offline", "--no-start", "--json", "--dir", in.dir)
			if err := json.Unmarshal([]byte(out), &report); err != nil {
				t.Fatalf("read the card: %v\n%s", err, out)
			}
			if len(report.Card.TrustPrint) != 95 {
				t.Errorf("the fingerprint to trust is %q", report.Card.TrustPrint)
			}
			shell := newTool(t, "sh")
			shell.set("PATH", filepath.Dir(oras)+":"+os.Getenv("PATH"))
			password, ran := in.passwords[admin], 0
			for _, command := range report.Card.Commands {
				switch command.Title {
				case "curl":
					shell.runWith(`user = "`+admin+":"+password+`"`, "-c", strings.Replace(command.Line, "-u admin", "-sS --fail -K -", 1))
				case "oras":
					shell.runWith(password, "-c", command.Line+" --password-stdin")
				case "push":
					shell.run("-c", command.Line)
				default:
					continue
				}
				ran++
			}
			if ran != 3 {
				t.Errorf("ran %d lines of %v", ran, report.Card.Commands)
			}
		})
	}
}
