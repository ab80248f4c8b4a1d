package server

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"packhouse/printable"
	"packhouse/server/config"
)

// TestSecretModes warns about secrets that every user can read, and not about those of a group.
func TestSecretModes(t *testing.T) {
	f := newFixture(t, withTLS)
	for mode, want := range map[os.FileMode]int{0o600: 0, 0o640: 0, 0o644: 2} {
		for _, name := range []string{"htpasswd", "tls.key"} {
			if err := os.Chmod(f.path(name), mode); err != nil {
				t.Fatal(err)
			}
		}
		before := f.log.String()
		warnModes(f.server.current.Load().config, f.server.log)
		log := f.log.String()[len(before):]
		if strings.Count(log, "every user can read") != want || strings.Contains(log, "chmod o= "+f.path("tls.key")) != (want > 0) {
			t.Errorf("mode %v:\n%s", mode, log)
		}
	}
}

// TestEndOfCertificate: it is told of once a day from a month before, louder when it has come, and not any more after a rotation.
func TestEndOfCertificate(t *testing.T) {
	var clock atomic.Pointer[time.Time]
	set := func(now time.Time) { clock.Store(&now) }
	set(time.Now())
	f := newFixture(t, withTLS, func(f *fixture, _ *config.Config) { f.now = func() time.Time { return *clock.Load() } })
	certs := f.server.certs
	told := func(what string) int {
		certs.Remind()
		return strings.Count(f.log.String(), what)
	}
	const soon, over = "expires soon", "has expired"
	set(certs.Ends().Add(-60 * 24 * time.Hour))
	if told(soon) != 0 {
		t.Error("told two months before")
	}
	set(certs.Ends().Add(-10 * 24 * time.Hour))
	for range 2 {
		if told(soon) != 1 {
			t.Errorf("ten days before:\n%s", f.log)
		}
	}
	set(clock.Load().Add(24 * time.Hour))
	if told(soon) != 2 {
		t.Error("not told again the next day")
	}
	set(certs.Ends().Add(time.Hour))
	want := "packhouse cert rotate --dir " + printable.Shell(filepath.Dir(f.path("myconfig.yml")))
	if !strings.Contains(f.log.String(), want) {
		t.Errorf("the remedy is not %s:\n%s", want, f.log)
	}
	if told(over) != 1 || told(soon) != 2 {
		t.Errorf("after the end:\n%s", f.log)
	}
	set(time.Now())
	f.certificate(nil)
	certs.Follow()
	if told(soon) != 2 {
		t.Error("told of a new certificate")
	}
}
