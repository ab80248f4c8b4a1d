package server

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestModes(t *testing.T) {
	f := newFixture(t, withTLS)
	if strings.Contains(f.log.String(), "others may read") {
		t.Errorf("modes are right, and yet:\n%s", f.log)
	}
	for _, name := range []string{"htpasswd", "tls.key"} {
		if err := os.Chmod(f.path(name), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	warnModes(f.server.current.Load().config, f.server.log)
	if log := f.log.String(); strings.Count(log, "others may read") != 2 || !strings.Contains(log, "chmod 600 "+f.path("tls.key")) {
		t.Errorf("not told:\n%s", log)
	}
}

// TestEndOfCertificate: it is told of once a day from a month before, louder when it has come, and not any more after a rotation.
func TestEndOfCertificate(t *testing.T) {
	f := newFixture(t, withTLS)
	certs := f.server.certs
	now := certs.ends()
	certs.now = func() time.Time { return now }
	told := func(what string) int {
		certs.remind()
		return strings.Count(f.log.String(), what)
	}
	const soon, over = "runs out soon", "has run out"
	now = certs.ends().Add(-60 * 24 * time.Hour)
	if told(soon) != 0 {
		t.Error("told two months before")
	}
	now = certs.ends().Add(-10 * 24 * time.Hour)
	for range 2 {
		if told(soon) != 1 {
			t.Errorf("ten days before:\n%s", f.log)
		}
	}
	now = now.Add(24 * time.Hour)
	if told(soon) != 2 {
		t.Error("not told again the next day")
	}
	now = certs.ends().Add(time.Hour)
	if told(over) != 1 || told(soon) != 2 {
		t.Errorf("after the end:\n%s", f.log)
	}
	now = time.Now()
	f.certificate(nil)
	certs.follow()
	if told(soon) != 2 {
		t.Error("told of a new certificate")
	}
}
