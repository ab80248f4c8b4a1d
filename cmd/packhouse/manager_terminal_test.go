//go:build unix

package main

import (
	"crypto/tls"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"packhouse/setup/installation"
	"packhouse/tui"
)

// installedAt makes an installation without a terminal and returns its directory and address.
func installedAt(t *testing.T) (dir, addr string) {
	t.Helper()
	dir, addr = filepath.Join(t.TempDir(), "D"), freeAddress(t)
	c := openConsole(
		t, 200, 50, "setup", "--yes", "--offline", "--no-start", "--dir", dir, "--hostname", "localhost", "--addr",
		addr, "--storage-path", dir+"/data",
	)
	c.Ends(exitOK)
	return dir, addr
}

// TestManagerServesAfterOneKey opens an installation whose server does not run, as "make run" does the second time: Enter serves.
func TestManagerServesAfterOneKey(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(makefile), "-e run/myconfig.yml ]; then \\\n\t\texec $(BIN) --dir run;") {
		t.Error("make run does not open the manager on an installed ./run")
	}
	dir, addr := installedAt(t)
	c := openConsole(t, 80, 24, "--dir", dir)
	c.Wants("› Start the server")
	c.Keys(enter)
	c.Wants("the server runs until ctrl+c")
	client := &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
	} //nolint:gosec // what it serves is not the question
	response, err := client.Get("https://" + addr + "/health")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("/health answers %s", response.Status)
	}
	c.Keys("\x1b")
	c.Wants("› Stop the server")
	c.Keys(enter)
	c.Wants("the server is stopped")
	c.Wants("› Start the server")
	c.Keys("q")
	c.Ends(exitOK)
}

// TestManagerStopsAServerElsewhere stops the server of another program.
func TestManagerStopsAServerElsewhere(t *testing.T) {
	t.Parallel()
	dir, _ := installedAt(t)
	run := t.TempDir() // holds the socket of the server
	server := openConsoleIn(t, run, 200, 50, "serve", filepath.Join(dir, installation.ConfigFile))
	server.Wants("listening")
	c := openConsoleIn(t, run, 120, 36, "--dir", dir)
	c.Wants("Stop the server")
	c.Keys("\x1b[F\x1b[A") // End, Up
	c.Wants("› Stop the server")
	c.Keys(enter)
	c.Wants("the server is stopped")
	server.Ends(exitOK)
	c.Keys("q")
	c.Ends(exitOK)
}

// TestManagerUninstallKeepsTheCA asks about the CA's key, keeps it, and a new installation uses it.
func TestManagerUninstallKeepsTheCA(t *testing.T) {
	t.Parallel()
	dir, addr := installedAt(t)
	ca, err := os.ReadFile(filepath.Join(dir, installation.CACertFile))
	if err != nil {
		t.Fatal(err)
	}
	c := openConsole(t, 80, 24, "--dir", dir)
	c.Wants("Uninstall")
	c.Keys("\x1b[F")
	c.Wants("› Uninstall")
	c.Keys(enter)
	c.Wants("remove this installation? [y/N]")
	c.Keys("y\r")
	c.Wants("Keep them? [y/N]")
	c.Keys("y\r")
	c.Ends(exitOK)
	if _, err := os.Stat(filepath.Join(dir, installation.ConfigFile)); !os.IsNotExist(err) {
		t.Errorf("the configuration is still there: %v", err)
	}
	openConsole(
		t, 200, 50, "setup", "--yes", "--offline", "--no-start", "--dir", dir, "--hostname", "localhost", "--addr",
		addr, "--storage-path", dir+"/data",
	).Ends(exitOK)
	if again, err := os.ReadFile(filepath.Join(dir, installation.CACertFile)); err != nil ||
		string(again) != string(ca) {
		t.Errorf("the new installation has another CA: %v", err)
	}
	program, err := exec.LookPath("packhouse")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(program, "uninstall", "-y", "--dir", dir).CombinedOutput()
	if _, left := os.Stat(filepath.Join(dir, installation.CAKeyFile)); err != nil || !os.IsNotExist(left) {
		t.Errorf("uninstall -y without --keep-ca-key: %v\n%s", err, out)
	}
}

// TestLeavingChecksSaysWhatStays leaves the wizard once the files are written: the normal screen says that they stay.
func TestLeavingChecksSaysWhatStays(t *testing.T) {
	t.Parallel()
	var said strings.Builder
	a := &asked{
		setupRun: &setupRun{
			app: &app{stdout: &said, stderr: &said, env: []string{"PATH=/nonexistent"}},
			o:   setupOptions{dir: "/etc/pack house"},
		},
	}
	_ = a.concluded(tui.Outcome{Stage: tui.Applied}, nil)
	for _, want := range []string{"the installation in /etc/pack house is written and stays", "check --dir '/etc/pack house' completes them", "rollback --dir '/etc/pack house' goes back"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("%q is not in %q", want, said.String())
		}
	}
}
