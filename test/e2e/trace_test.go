package e2e

import (
	"bufio"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The system calls that make content durable, and those that give it names.
var (
	syncCalls   = []string{"fsync", "fdatasync", "syncfs"}
	renameCalls = []string{"rename", "renameat", "renameat2"}
	mkdirCalls  = []string{"mkdir", "mkdirat"}
)

// call is one finished system call of the server.
type call struct {
	name     string
	args     string
	failed   bool
	injected bool
	aside    bool // a sync of the journal that no push waits for: of the header, after a checkpoint
	started  int  // line of the trace where it began: calls of other threads may lie between
}

// exchanged is one request with what the server did until it answered.
type exchanged struct {
	request string // "PUT /v2/…"
	status  int
	calls   []call
}

// trace attaches strace to a running server; close reads what it saw.
type trace struct {
	t      *testing.T
	strace *server
	file   string
}

// attach watches the server, with further options for strace. The server must
// speak plain HTTP, and clients must use a connection per request, so that
// requests and answers can be read off the calls.
func attach(t *testing.T, s *server, options ...string) *trace {
	t.Helper()
	tr := &trace{t: t, file: filepath.Join(t.TempDir(), "trace")}
	calls := slices.Concat([]string{"read", "write"}, syncCalls, renameCalls, mkdirCalls)
	args := append([]string{
		"-f", "-y", "-s", "200", "-o", tr.file, "-p", strconv.Itoa(s.cmd.Process.Pid), "-e", "trace=" + strings.Join(calls, ","),
	}, options...)
	tr.strace = launch(t, nil, need(t, "strace"), args...)
	deadline := time.Now().Add(patience)
	for !strings.Contains(tr.strace.log.String(), "attached") {
		select {
		case <-tr.strace.done:
			t.Skipf("strace may not watch other processes here: %s", tr.strace.log)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("strace does not attach: %s", tr.strace.log)
		}
	}
	return tr
}

// close detaches from the server, which runs on, and returns what was seen.
func (tr *trace) close() []exchanged {
	tr.t.Helper()
	_ = tr.strace.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-tr.strace.done:
	case <-time.After(patience):
		tr.t.Fatal("strace does not detach")
	}
	file, err := os.Open(tr.file)
	if err != nil {
		tr.t.Fatalf("open the trace: %v", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	var text []string
	for lines.Scan() {
		text = append(text, lines.Text())
	}
	if err := lines.Err(); err != nil {
		tr.t.Fatalf("read the trace: %v", err)
	}
	return parseTrace(text)
}

var (
	callLine    = regexp.MustCompile(`^(\d+) +(\w+)\((.*)$`)
	resumedLine = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>(.*)$`)
	requestText = regexp.MustCompile(`"((?:GET|HEAD|POST|PUT|PATCH|DELETE) /[^ "]*)`)
	answerText  = regexp.MustCompile(`"HTTP/1\.1 (\d+) `)
)

// parseTrace cuts a trace into requests, which come one after the other.
func parseTrace(lines []string) []exchanged {
	var seen []exchanged
	var current *exchanged
	type begun struct {
		args string
		line int
	}
	pending := map[string]begun{} // by thread
	headers := map[string]bool{}  // by segment of the journal: what was written last is its header
	finish := func(name, args string, started int) {
		if current == nil {
			return
		}
		result := args[strings.LastIndex(args, ") = ")+1:]
		c := call{
			name: name, args: args, started: started,
			failed: strings.Contains(result, "= -1"), injected: strings.Contains(result, "(INJECTED)"),
		}
		c.aside = headers[c.syncedPath()]
		current.calls = append(current.calls, c)
	}
	for number, line := range lines {
		thread, name, args := "", "", ""
		started := number
		if match := resumedLine.FindStringSubmatch(line); match != nil {
			thread, name = match[1], match[2]
			args = pending[thread].args + match[3]
			started = pending[thread].line
			delete(pending, thread)
			// Its answer was read long ago, and there may be another request.
			if name == "write" {
				continue
			}
		} else if match := callLine.FindStringSubmatch(line); match != nil {
			thread, name, args = match[1], match[2], match[3]
			if before, unfinished := strings.CutSuffix(args, " <unfinished ...>"); unfinished {
				pending[thread] = begun{before, number}
				// An answer counts from the moment it is being sent.
				if name != "write" {
					continue
				}
				args = before
			}
		} else {
			continue
		}
		switch name {
		case "read":
			if match := requestText.FindStringSubmatch(args); match != nil {
				current = &exchanged{request: match[1]}
			}
		case "write":
			if path := descriptorOf(args); strings.Contains(path, journalTree) {
				headers[path] = strings.Contains(args, `, "`+journalHeader)
			}
			if match := answerText.FindStringSubmatch(args); match != nil && current != nil {
				status, _ := strconv.Atoi(match[1])
				if status >= 200 {
					current.status = status
					seen = append(seen, *current)
					current = nil
				}
			}
		default:
			finish(name, args, started)
		}
	}
	return seen
}

// syncs returns the positions of the calls that made something durable.
func (e exchanged) syncs() []int { return e.positions(syncCalls) }

// renames returns the positions of the calls that named something.
func (e exchanged) renames() []int { return e.positions(renameCalls) }

// mkdirs returns the positions of the calls that made a directory.
func (e exchanged) mkdirs() []int { return e.positions(mkdirCalls) }

func (e exchanged) positions(names []string) []int {
	var found []int
	for i, c := range e.calls {
		if slices.Contains(names, c.name) && !c.failed {
			found = append(found, i)
		}
	}
	return found
}

var namedPaths = regexp.MustCompile(`(?:(?:\d+|AT_FDCWD)<([^>]*)>, )?"([^"]*)"`)

// paths returns the source and the target of a rename, whole; of a mkdir the
// directory, as the source.
func (c call) paths() (from, to string) {
	whole := []string{"", ""}
	for i, match := range namedPaths.FindAllStringSubmatch(c.args, 2) {
		whole[i] = match[2]
		if !path.IsAbs(match[2]) {
			whole[i] = path.Join(match[1], match[2])
		}
	}
	return whole[0], whole[1]
}

var descriptorPath = regexp.MustCompile(`^\d+<([^>]*)>`)

// descriptorOf returns the path of a descriptor that is the first argument.
func descriptorOf(args string) string {
	if match := descriptorPath.FindStringSubmatch(args); match != nil {
		return match[1]
	}
	return ""
}

// syncedPath returns what an fsync made durable.
func (c call) syncedPath() string { return descriptorOf(c.args) }
