package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"packhouse/cmd/packhouse/porttest"
)

// measured is a running server whose memory is measured.
type measured struct {
	t      *testing.T
	cmd    *exec.Cmd
	base   string
	client *http.Client
}

const (
	measuredUser     = "admin"
	measuredReader   = "reader" // with the same password
	measuredPassword = "correct horse battery"
	// measuredHash is measuredPassword hashed by bcrypt with cost 4.
	measuredHash = "$2a$04$QJQx9ujqzk3dWFaBMo401eDbM0j2nXiI5FfH6bE2oZanOZXVIuimO"
)

// startMeasured serves a store in dir, which a server may have used before. The lines are additional
// ones of the configuration below http.
func startMeasured(t *testing.T, binary, dir string, lines ...string) *measured {
	t.Helper()
	addr := porttest.Free(t)
	files := map[string]string{
		"htpasswd": measuredUser + ":" + measuredHash + "\n" + measuredReader + ":" + measuredHash + "\n",
		"config.yml": fmt.Sprintf("version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: %s\n  delete:\n    enabled: true\n"+
			"http:\n  addr: %s\n%sauth:\n  htpasswd:\n    realm: test\n    path: %s\n",
			filepath.Join(dir, "data"), addr, strings.Join(lines, ""), filepath.Join(dir, "htpasswd")),
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "serve", filepath.Join(dir, "config.yml")) //nolint:noctx // stopped below
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "GOGC=", "GOMEMLIMIT=", "GODEBUG=", "GOMAXPROCS=4", "RUNTIME_DIRECTORY="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m := &measured{t: t, cmd: cmd, base: "http://" + addr, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	t.Cleanup(func() {
		m.client.CloseIdleConnections()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		_ = log.Close()
		if t.Failed() {
			said, _ := os.ReadFile(log.Name())
			t.Logf("the server's log:\n%.4000s", said)
		}
	})
	if !within(func() bool { return answers(addr) }) {
		t.Fatal("the server does not answer")
	}
	return m
}

// do sends a request, with credentials if user is set, and returns the status and how many bytes were answered.
func (m *measured) do(method, path string, body []byte, user bool) (status int, size int64) {
	request, err := http.NewRequest(method, m.base+path, bytes.NewReader(body)) //nolint:noctx // the server ends it
	if err != nil {
		m.t.Error(err)
		return 0, 0
	}
	if user {
		request.SetBasicAuth(measuredUser, measuredPassword)
	}
	if strings.Contains(path, "/manifests/") && method == http.MethodPut {
		request.Header.Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	}
	answer, err := m.client.Do(request)
	if err != nil {
		m.t.Error(err)
		return 0, 0
	}
	defer answer.Body.Close()
	size, err = io.Copy(io.Discard, answer.Body)
	if err != nil {
		m.t.Error(err)
	}
	return answer.StatusCode, size
}

// want sends a request, whose answer must have the status, and returns how many bytes were answered.
func (m *measured) want(status int, method, path string, body []byte, user bool) (size int64) {
	got, size := m.do(method, path, body, user)
	if got != status {
		m.t.Errorf("%s %s: %d, want %d", method, path, got, status)
	}
	return size
}

// status reads a figure of /proc/PID/status, in bytes.
func (m *measured) status(field string) int64 {
	m.t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(m.cmd.Process.Pid) + "/status")
	if err != nil {
		m.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == field+":" {
			kib, _ := strconv.ParseInt(words[1], 10, 64)
			return kib << 10
		}
	}
	m.t.Fatalf("no %s", field)
	return 0
}

// additional returns how many bytes of memory the server needs for do beyond those that it has now.
func (m *measured) additional(do func()) int64 {
	m.t.Helper()
	if err := os.WriteFile("/proc/"+strconv.Itoa(m.cmd.Process.Pid)+"/clear_refs", []byte("5"), 0); err != nil {
		if os.Getenv("CI") == "true" {
			m.t.Fatal(err)
		}
		m.t.Skipf("the kernel does not reset the peak of a process: %v", err)
	}
	before := m.status("VmRSS")
	do()
	return m.status("VmHWM") - before
}

// cpu returns the processor time that the server has used.
func (m *measured) cpu() time.Duration {
	m.t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(m.cmd.Process.Pid) + "/stat")
	if err != nil {
		m.t.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}
