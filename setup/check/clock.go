package check

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"packhouse/server/config"
)

// ClockSource is a server that the installation already uses and whose responses contain the time.
type ClockSource struct {
	Name string // display name: "the S3 service"
	URL  string
}

// Limits of the clock offset. A Date header has a resolution of one second and may be delayed.
const (
	unlikely  = time.Minute      // beyond this, the clock is off rather than the response late
	tolerated = 15 * time.Minute // beyond this, S3 rejects signed requests
)

const keepClock = "synchronize it with NTP: timedatectl set-ntp true, or install chrony"

// proveClock compares this machine's clock with this program's build time, the certificate's
// validity, the kernel's NTP state, and the responses of servers that the installation already
// uses.
func proveClock(ctx context.Context, s *session) Result {
	now := s.Now()
	seen := now.UTC().Format("2006-01-02 15:04:05 MST")
	if now.Before(s.Built.Add(-24 * time.Hour)) {
		return warning("clock-behind", seen, "this program was built later than that, on "+s.Built.UTC().Format(time.DateOnly), "set the clock, then "+keepClock)
	}
	if len(s.Chain) > 0 && now.Before(s.Chain[0].NotBefore) {
		return failed("clock-behind", seen, "the certificate begins later than that, on "+s.Chain[0].NotBefore.UTC().Format("2006-01-02 15:04 MST"),
			"set the clock, then "+keepClock+"; if the clock is right, have a new certificate issued")
	}
	compared := s.compareClocks(ctx)
	var agrees []string
	for _, c := range compared {
		switch {
		case !c.known:
			continue
		case c.offset.Abs() > tolerated:
			return failed(CodeClockOff, c.words(),
				"S3 refuses signed requests, and the validity of certificates is determined incorrectly", "set the clock, then "+keepClock)
		case c.offset.Abs() > unlikely:
			return warning(CodeClockOff, c.words(),
				"S3 refuses requests if the clock is off by more than 15 minutes", "set the clock, then "+keepClock)
		}
		agrees = append(agrees, c.name)
	}
	with := ""
	if len(agrees) > 0 {
		with = "agrees with " + strings.Join(agrees, " and ")
	}
	return s.judgeKept(with)
}

// judgeKept adds to a result whether the clock is synchronized.
func (s *session) judgeKept(with string) Result {
	kept, known := false, false
	if s.Machine != nil && s.Machine.ClockKept != nil {
		is, err := s.Machine.ClockKept()
		kept, known = is, err == nil
	}
	matters := s.Config != nil && (s.Config.Storage.Driver == config.S3 || s.Config.HTTP.TLS.LetsEncrypt.Enabled())
	switch {
	case kept && with != "":
		return passed("kept by an NTP service, %s", with)
	case kept:
		return passed("kept by an NTP service, according to the kernel")
	case known:
		seen := "not synchronized"
		if with != "" {
			seen = with + ", but is " + seen
		}
		const cause = "the kernel reports no NTP synchronization, so the clock may drift"
		if matters {
			return warning(CodeClockNotKept, seen, cause+" until S3 or the ACME directory refuses requests", keepClock)
		}
		return unproven(CodeClockNotKept, seen, cause, keepClock+"; if the hypervisor synchronizes the clock, ignore this")
	case with != "":
		return passed("%s", with)
	}
	return notProven("no time source was found to compare with")
}

// comparison is the result of comparing the clock with a source.
type comparison struct {
	name   string
	offset time.Duration // of this machine; positive: ahead
	known  bool
}

func (c comparison) words() string {
	word := "ahead of"
	if c.offset < 0 {
		word = "behind"
	}
	return fmt.Sprintf("%s %s %s", c.offset.Abs().Round(time.Second), word, c.name)
}

// compareClocks queries all sources concurrently. It does not verify certificates: with a wrong
// clock they would appear invalid, the request is not confidential, and the response is only
// compared, never adopted.
func (s *session) compareClocks(ctx context.Context) []comparison {
	if s.Quick || len(s.Clocks) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.within(lookPatience))
	defer cancel()
	client := &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	all := make([]comparison, len(s.Clocks))
	var wait sync.WaitGroup
	for i, source := range s.Clocks {
		wait.Go(func() {
			all[i].name = source.Name
			all[i].offset, all[i].known = s.offset(ctx, client, source.URL)
		})
	}
	wait.Wait()
	return all
}

// offset returns how far this machine's clock is ahead of a response's time.
func (s *session) offset(ctx context.Context, client *http.Client, url string) (time.Duration, bool) {
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, url, http.NoBody)
	if err != nil {
		return 0, false
	}
	request.Header.Set("User-Agent", "packhouse-check")
	response, err := client.Do(request)
	if err != nil {
		return 0, false
	}
	_ = response.Body.Close() // HEAD responses have no body
	return dateOffset(s.Now(), response.Header)
}

// dateOffset compares the Date header of a response with the clock. It ignores cached responses.
func dateOffset(now time.Time, header http.Header) (time.Duration, bool) {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil || header.Get("Age") != "" {
		return 0, false
	}
	return now.Sub(date), true
}
