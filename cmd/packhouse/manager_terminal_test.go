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

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/porttest"
	"packhouse/setup/installation"
)

// installedAt makes an installation without a terminal and returns its directory and address.
func installedAt(t *testing.T) (dir, addr string) {
	t.Helper()
	dir, addr = filepath.Join(t.TempDir(), "D"), porttest.Free(t)
	c := openConsole(
		t, 200, 50, "setup", "--yes", "--offline", "--no-start", "--dir", dir, "--hostname", "localhost", "--addr",
		addr, "--storage-path", dir+"/data",
	)
	c.Ends(cli.ExitOK)
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
	c.Ends(cli.ExitOK)
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
	server.Ends(cli.ExitOK)
	c.Keys("q")
	c.Ends(cli.ExitOK)
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
	c.Ends(cli.ExitOK)
	if _, err := os.Stat(filepath.Join(dir, installation.ConfigFile)); !os.IsNotExist(err) {
		t.Errorf("the configuration is still there: %v", err)
	}
	openConsole(
		t, 200, 50, "setup", "--yes", "--offline", "--no-start", "--dir", dir, "--hostname", "localhost", "--addr",
		addr, "--storage-path", dir+"/data",
	).Ends(cli.ExitOK)
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
