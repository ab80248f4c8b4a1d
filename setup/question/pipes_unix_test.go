//go:build unix

package question

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/machine/machinetest"
)

// TestNamedPipes verifies that setup never waits for the other end of a named pipe that an answer names.
func TestNamedPipes(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	m := machinetest.New(t, &machinetest.Host{})
	answers := func() *Answers {
		a := &Answers{
			TLS:             setup.Files,
			CertFile:        pipe,
			KeyFile:         pipe,
			KeyPasswordFile: pipe,
			TLSCA:           pipe,
			ACMECA:          pipe,
			EABKeyFile:      pipe,
			Hostname:        "localhost",
		}
		a.S3.CAFile = pipe
		return a
	}
	for _, q := range All() {
		if q.Kind != Path || q.ID == "storage-path" {
			continue
		}
		t.Run(q.ID, func(t *testing.T) {
			done := make(chan []finding.Finding, 1)
			go func() {
				a := answers()
				q.Asked(a)
				findings := q.Validate(t.Context(), m, a)
				if q.Probe != nil {
					findings = append(findings, q.Probe(t.Context(), m, a)...)
				}
				done <- findings
			}()
			select {
			case findings := <-done:
				if !finding.AnyRefused(findings) {
					t.Errorf("a pipe is accepted: %v", findings)
				}
			case <-time.After(time.Minute):
				t.Fatal("setup waits for the pipe")
			}
		})
	}
	in := &installation.Installed{Dir: filepath.Dir(pipe)}
	if _, err := in.ReadOpen(pipe); err == nil {
		t.Error("a pipe in the installation is read")
	}
}
