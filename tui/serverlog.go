package tui

import (
	"fmt"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"packhouse/pattern"
	"packhouse/tui/logview"
)

// serverLog is the end of the log of the server in this process, with figures about requests. The
// log has a line for each request.
type serverLog struct {
	lines    []string
	written  int         // lines that were ever written
	lately   []time.Time // requests of the last minute
	total    int
	refused  int    // answered with 4xx
	failed   int    // answered with 5xx
	lastPush string // content, user and time
}

// probe is the prefix of the names of the users and repositories that the checks use.
const probe = "packhouse-probe"

// pushed matches the path of a manifest that was pushed.
var pushed = pattern.Lazy(`^/v2/(.+)/manifests/([^/?]+)`)

// read reads the log. It adds new requests to the figures if count is set.
func (l *serverLog) read(log *logview.Ring, count bool) {
	lines, written := log.Snapshot()
	fresh := min(max(written-l.written, 0), len(lines))
	l.lines, l.written = lines, written
	if !count {
		return
	}
	for _, text := range lines[len(lines)-fresh:] {
		line, ok := logview.ParseLine(text)
		status := line.Value("status")
		if !ok || line.Message != "request" || len(status) != 3 || ours(line) {
			continue
		}
		l.total++
		l.lately = append(l.lately, line.Time)
		switch status[0] {
		case '4':
			l.refused++
		case '5':
			l.failed++
		}
		what := pushed().FindStringSubmatch(line.Value("path"))
		if line.Value("method") == "PUT" && status == "201" && what != nil {
			between := ":"
			if strings.Contains(what[2], ":") { // a digest
				between = "@"
			}
			l.lastPush = fmt.Sprintf("%s, by %s at %s", shortHex(what[1]+between+what[2]), line.Value("user"),
				line.Time.Local().Format(time.TimeOnly))
		}
	}
}

// ours reports whether the checks made a request. They use a user name of their own.
func ours(line logview.Line) bool {
	return strings.HasPrefix(line.Value("user"), probe+"-") || strings.HasPrefix(line.Value("path"), "/v2/"+probe+"/")
}

// rate returns the number of requests per second over the last minute.
func (l *serverLog) rate(now time.Time) float64 {
	for len(l.lately) > 0 && now.Sub(l.lately[0]) > time.Minute {
		l.lately = l.lately[1:]
	}
	return float64(len(l.lately)) / 60
}

// logMsg reports new log lines.
type logMsg struct{}

// watchLog waits for the next line.
func (u *ui) watchLog() tea.Cmd {
	log, done := u.options.Log, u.ctx.Done()
	return u.watch(func() tea.Msg {
		select {
		case <-log.Wake():
			return logMsg{}
		case <-done:
			return nil
		}
	})
}

// readLog reads the log. It does not count requests while the checks run: their failed logins are
// intended.
func (u *ui) readLog() { u.log.read(u.options.Log, u.job == nil || !u.job.probes) }
