package check

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"packhouse/server/config"
)

func TestProveClock(t *testing.T) {
	kept := func() (bool, error) { return true, nil }
	adrift := func() (bool, error) { return false, nil }
	unseen := func() (bool, error) { return false, errors.New("not permitted") }
	day := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	rows := []struct {
		name   string
		kept   func() (bool, error)
		ahead  time.Duration // of this machine; with s3 or acme
		s3     bool
		acme   bool
		cached bool
		silent bool
		quick  bool
		built  time.Time
		status Status
		code   string
		seen   string
		cause  string
		remedy string
	}{
		{name: "kept", kept: kept, status: Passed, seen: "kept by an NTP service"},
		{name: "kept, and the engine agrees", kept: kept, s3: true, status: Passed, seen: "agrees with the S3 service"},
		{name: "both agree", kept: kept, s3: true, acme: true, ahead: 20 * time.Second, status: Passed, seen: "agrees with the S3 service and the ACME directory"},
		{name: "not synchronized", kept: adrift, status: NotProven, code: "clock-unsynchronised", seen: "not synchronized", cause: "no NTP synchronization", remedy: "timedatectl set-ntp true"},
		{name: "nothing keeps it, and S3 needs it", kept: adrift, s3: true, status: Warning, code: "clock-unsynchronised", seen: "agrees with the S3 service, but is not synchronized", cause: "S3", remedy: "chrony"},
		{name: "nothing keeps it, and the directory needs it", kept: adrift, acme: true, status: Warning, code: "clock-unsynchronised", cause: "ACME", remedy: "chrony"},
		{name: "cannot be seen", kept: unseen, status: NotProven, seen: "no time source was found"},
		{name: "cannot be seen, but the directory agrees", kept: unseen, acme: true, status: Passed, seen: "agrees with the ACME directory"},
		{name: "cannot be seen, and the engine is silent", kept: unseen, s3: true, silent: true, status: NotProven, seen: "no time source was found"},
		{name: "ahead", kept: kept, s3: true, ahead: 3 * time.Minute, status: Warning, code: "clock-off", seen: "3m0s ahead of the S3 service", cause: "15 minutes", remedy: "set the clock"},
		{name: "behind", kept: unseen, acme: true, ahead: -3 * time.Minute, status: Warning, code: "clock-off", seen: "3m0s behind the ACME directory", cause: "15 minutes", remedy: "set the clock"},
		{name: "far off", kept: kept, s3: true, ahead: -time.Hour, status: Failed, code: "clock-off", seen: "1h0m0s behind the S3 service", cause: "refuses", remedy: "set the clock"},
		{name: "an answer out of a cache", kept: kept, s3: true, cached: true, ahead: time.Hour, status: Passed, seen: "according to the kernel"},
		{name: "nobody is asked when it has to be quick", kept: kept, s3: true, quick: true, ahead: time.Hour, status: Passed, seen: "according to the kernel"},
		{name: "before this program was built", kept: kept, built: day.Add(72 * time.Hour), status: Warning, code: "clock-behind", seen: "2026-05-04 12:00:00 UTC", cause: "built later than that, on 2026-05-07", remedy: "set the clock"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", day.Add(-row.ahead).Format(http.TimeFormat))
				if row.cached {
					w.Header().Set("Age", "3600")
				}
				w.WriteHeader(http.StatusForbidden)
			}))
			t.Cleanup(server.Close)
			if row.silent {
				server.Close()
			}
			target := Target{Config: &config.Config{}, Machine: quietMachine(), Built: row.built, Quick: row.quick, Now: func() time.Time { return day }, patience: patience}
			target.Machine.ClockKept = row.kept
			if row.s3 {
				target.Config.Storage.Driver = config.S3
				target.Clocks = append(target.Clocks, ClockSource{"the S3 service", server.URL})
			}
			if row.acme {
				target.Config.HTTP.TLS.LetsEncrypt.CacheFile = "/le-cache"
				target.Config.HTTP.TLS.LetsEncrypt.Hosts = []string{"registry.example.com"}
				target.Config.HTTP.TLS.LetsEncrypt.Email = "you@example.com"
				target.Clocks = append(target.Clocks, ClockSource{"the ACME directory", server.URL})
			}
			r := newSession(target).prove(t.Context(), proof{id: "clock", prove: proveClock})
			told(t, r, row.status, row.code, row.seen, row.cause, row.remedy)
		})
	}
}

func TestClockBeforeTheCertificate(t *testing.T) {
	target, _ := installation(t, "")
	target.Now = func() time.Time { return target.Chain[0].NotBefore.Add(-time.Hour) }
	r := newSession(target).prove(t.Context(), proof{id: "clock", prove: proveClock})
	told(t, r, Failed, "clock-behind", "UTC", "the certificate begins later", "set the clock")
}
