package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The people of every installation here, by what they may do.
const (
	admin  = "admin"
	writer = "builder"
	reader = "spectro"
)

// hostname is the name that the certificate is made for. It does not resolve;
// clients are told where it is, as they would be by a hosts file.
const hostname = "registry.example.com"

// installation is what `packhouse setup --yes` made.
type installation struct {
	t         *testing.T
	dir       string
	addr      string // 127.0.0.1:PORT
	scheme    string
	trusted   string // what clients are handed: a file in dir
	passwords map[string]string
	env       []string // further variables for the server
}

// binary is the program under test.
func binary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("PACKHOUSE_BIN")
	if path == "" {
		path = filepath.Join("..", "..", "bin", "packhouse")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatalf("find the binary: %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: `make build` makes it", err)
	}
	return path
}

// freeAddress returns an address of this machine that nobody listens on, and
// that no other test gets before this one has ended: the port is below those
// that the kernel hands out, and the UDP port of the same number, which nothing
// here uses, is held.
func freeAddress(t *testing.T) string {
	t.Helper()
	const first, last = 10000, 32000
	for range 1000 {
		port := first + rand.IntN(last-first)
		held, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			continue
		}
		everywhere, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			_ = held.Close()
			continue
		}
		_ = everywhere.Close()
		t.Cleanup(func() { _ = held.Close() })
		return fmt.Sprintf("127.0.0.1:%d", port)
	}
	t.Fatal("find a free port: a thousand are taken")
	return ""
}

// install runs setup without questions in a new directory, TLS by a private
// CA unless flags say otherwise.
func install(t *testing.T, flags ...string) *installation {
	t.Helper()
	in := &installation{
		t: t, dir: filepath.Join(t.TempDir(), "installation"), addr: freeAddress(t), scheme: "https", trusted: "certs/ca.crt",
		passwords: map[string]string{
			admin:  "the quick brown fox 1",
			writer: "jumps over: the dog",
			reader: "päßword with ümlauts",
		},
	}
	switch line := strings.Join(flags, " "); {
	case strings.Contains(line, "--tls off"):
		in.scheme = "http"
	case strings.Contains(line, "--tls self-signed"):
		in.trusted = "certs/tls.crt"
	}
	in.setup(flags...)
	return in
}

// setupArguments is one line of setup as a script would have it.
func (in *installation) setupArguments(flags ...string) []string {
	in.t.Helper()
	secrets := in.t.TempDir()
	args := []string{
		"setup", "--yes", "--dir", in.dir,
		"--hostname", hostname, "--san", "127.0.0.1", "--san", "localhost",
		"--addr", in.addr,
		"--admin", admin, "--user", writer + ":writer", "--user", reader + ":reader",
		"--storage", "filesystem", "--storage-path", filepath.Join(in.dir, "data"),
	}
	for name, password := range in.passwords {
		file := filepath.Join(secrets, name)
		if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
			in.t.Fatalf("write password file: %v", err)
		}
		args = append(args, "--password-file", name+"="+file)
	}
	return append(args, flags...)
}

// setup runs the line of setupArguments, which has to succeed, and returns
// what it printed.
func (in *installation) setup(flags ...string) string {
	in.t.Helper()
	ctx, cancel := context.WithTimeout(in.t.Context(), toolTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(in.t), in.setupArguments(flags...)...)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState.ExitCode() != 4 { // a check warned, for example of a name that is not in DNS
		in.t.Fatalf("packhouse setup: %v\n%s", err, out)
	}
	return string(out)
}

// configuration is the path of myconfig.yml.
func (in *installation) configuration() string { return filepath.Join(in.dir, "myconfig.yml") }

// ca is the path of the certificate that clients are handed.
func (in *installation) ca() string { return filepath.Join(in.dir, in.trusted) }

// port is the port of the address.
func (in *installation) port() string {
	_, port, err := net.SplitHostPort(in.addr)
	if err != nil {
		in.t.Fatalf("split address: %v", err)
	}
	return port
}

// client returns an HTTP client that trusts the installation's CA and nothing
// else.
func (in *installation) client() *http.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 16, ExpectContinueTimeout: time.Minute}
	if in.scheme == "https" {
		pem, err := os.ReadFile(in.ca())
		if err != nil {
			in.t.Fatalf("read the CA: %v", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			in.t.Fatalf("%s holds no certificate", in.ca())
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	in.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// server is a running process that serves an installation.
type server struct {
	t       *testing.T
	cmd     *exec.Cmd
	log     *journal
	done    chan struct{} // closed when it ended
	waitErr error         // how it ended
	killed  bool          // by its test, on purpose: what it said explains nothing
}

// journal keeps what a process printed.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// tail is the end of it.
func (j *journal) tail() string {
	const most = 8 << 10
	text := j.String()
	if len(text) > most {
		text = "…" + text[len(text)-most:]
	}
	return text
}

// serve starts packhouse and waits until it answers.
func (in *installation) serve() *server {
	in.t.Helper()
	return in.start(binary(in.t), "serve", in.configuration())
}

// serveDistribution starts CNCF distribution with the same configuration on
// the same directory and waits until it answers.
func (in *installation) serveDistribution() *server {
	in.t.Helper()
	return in.start(need(in.t, "registry"), "serve", in.configuration())
}

func (in *installation) start(name string, args ...string) *server {
	in.t.Helper()
	s := launch(in.t, in.env, name, args...)
	in.awaitAnswer(s)
	return s
}

// launch starts a process that is stopped, at the latest, with the test, and
// whose log is shown if the test failed.
func launch(t *testing.T, env []string, name string, args ...string) *server {
	t.Helper()
	s := &server{t: t, log: &journal{}, done: make(chan struct{})}
	s.cmd = exec.Command(name, args...)
	s.cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	s.cmd.Env = append(s.cmd.Env, env...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		s.waitErr = s.cmd.Wait()
		close(s.done)
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.done
		if t.Failed() && !s.killed && filepath.Base(name) != "strace" {
			t.Logf("%s %s said, at last:\n%s", filepath.Base(name), strings.Join(args, " "), s.log.tail())
		}
	})
	return s
}

// awaitAnswer returns when the address answers /v2/ with anything.
func (in *installation) awaitAnswer(s *server) {
	in.t.Helper()
	client := in.client()
	deadline := time.Now().Add(patience)
	for {
		response, err := client.Get(in.scheme + "://" + in.addr + "/v2/")
		if err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			client.CloseIdleConnections()
			return
		}
		select {
		case <-s.done:
			in.t.Fatalf("%s ended: %v", filepath.Base(s.cmd.Path), s.waitErr)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			in.t.Fatalf("%s does not answer: %v", filepath.Base(s.cmd.Path), err)
		}
	}
}

// stop asks the server to end and demands that it does so well.
func (s *server) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatalf("signal the server: %v", err)
	}
	select {
	case <-s.done:
	case <-time.After(patience):
		s.t.Fatal("the server does not end")
	}
	// Distribution handles the signal only where a drain timeout is configured.
	if s.waitErr != nil && filepath.Base(s.cmd.Path) != "registry" {
		s.t.Fatalf("the server ended badly: %v", s.waitErr)
	}
}

// kill ends the server as a power cut would end its process: at once.
func (s *server) kill() {
	s.killed = true
	_ = s.cmd.Process.Kill()
	<-s.done
}

// answer is what came back of a request.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// request sends one request as a user; an empty user sends no credentials. It
// returns an error only where no answer came.
func (in *installation) request(client *http.Client, user, method, path string, body []byte, headers ...string) (answer, error) {
	target := path
	if strings.HasPrefix(path, "/") {
		target = in.scheme + "://" + in.addr + path
	}
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	request, err := http.NewRequest(method, target, content)
	if err != nil {
		return answer{}, fmt.Errorf("make request: %w", err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	if user != "" {
		request.SetBasicAuth(user, in.passwords[user])
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	received, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, fmt.Errorf("read body: %w", err)
	}
	return answer{response.StatusCode, response.Header, received}, nil
}
