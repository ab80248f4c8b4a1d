package logview

import (
	"fmt"
	"strings"
	"time"

	"packhouse/pattern"
)

// Figures is the end of the log of the server in this process, with figures about requests. The
// log has a line for each request.
type Figures struct {
	Lines    []string
	Written  int         // lines that were ever written
	lately   []time.Time // requests of the last minute
	Total    int
	Refused  int    // answered with 4xx
	Failed   int    // answered with 5xx
	LastPush string // content, user and time
}

// probe is the prefix of the names of the users and repositories that the checks use.
const probe = "packhouse-probe"

// pushed matches the path of a manifest that was pushed.
var pushed = pattern.Lazy(`^/v2/(.+)/manifests/([^/?]+)`)

// Read reads the log. It adds new requests to the figures if count is set.
func (f *Figures) Read(log *Ring, count bool) {
	lines, written := log.Snapshot()
	fresh := min(max(written-f.Written, 0), len(lines))
	f.Lines, f.Written = lines, written
	if !count {
		return
	}
	for _, text := range lines[len(lines)-fresh:] {
		line, ok := ParseLine(text)
		status := line.Value("status")
		if !ok || line.Message != "request" || len(status) != 3 || Ours(line) {
			continue
		}
		f.Total++
		f.lately = append(f.lately, line.Time)
		switch status[0] {
		case '4':
			f.Refused++
		case '5':
			f.Failed++
		}
		what := pushed().FindStringSubmatch(line.Value("path"))
		if line.Value("method") == "PUT" && status == "201" && what != nil {
			between := ":"
			if strings.Contains(what[2], ":") { // a digest
				between = "@"
			}
			f.LastPush = fmt.Sprintf("%s, by %s at %s", ShortHex(what[1]+between+what[2]), line.Value("user"),
				line.Time.Local().Format(time.TimeOnly))
		}
	}
}

// Ours reports whether the checks made a request. They use a user name of their own.
func Ours(line Line) bool {
	return strings.HasPrefix(line.Value("user"), probe+"-") || strings.HasPrefix(line.Value("path"), "/v2/"+probe+"/")
}

// Rate returns the number of requests per second over the last minute.
func (f *Figures) Rate(now time.Time) float64 {
	for len(f.lately) > 0 && now.Sub(f.lately[0]) > time.Minute {
		f.lately = f.lately[1:]
	}
	return float64(len(f.lately)) / 60
}

// random matches generated names: digests, uploads, temporary names.
var random = pattern.Lazy(`\b(?:[0-9a-f]{32,}|[a-z2-7]{26,})\b`)

// ShortHex shortens long hexadecimal strings. The log itself has them in full.
func ShortHex(text string) string {
	return random().ReplaceAllStringFunc(text, func(whole string) string { return whole[:8] + "…" })
}
