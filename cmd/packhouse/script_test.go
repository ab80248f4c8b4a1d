package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"packhouse/cmd/packhouse/porttest"
)

// TestScripts drives the real program: one script for each job and each way it can be refused.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			runtime := filepath.Join(env.WorkDir, "run")
			env.Setenv("RUNTIME_DIRECTORY", runtime)
			env.Setenv("HOME", env.WorkDir)
			return os.Mkdir(runtime, 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"freeport": freePort,
			"hold":     holdPort,
			"reach":    reach,
			"fetch":    fetch,
			"push":     push,
			"flip":     flip,
			"mode":     mode,
			"same":     same,
			"absent":   absent,
		},
	})
}

// freePort sets a variable to a port that nobody listens at, and that no other test gets before the script has ended: freeport NAME.
func freePort(ts *testscript.TestScript, _ bool, args []string) {
	port, release, err := porttest.Reserve()
	ts.Check(err)
	ts.Defer(release)
	ts.Setenv(args[0], port)
}

// holdPort listens until the end of the script and sets a variable to the port: hold NAME.
func holdPort(ts *testscript.TestScript, _ bool, args []string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = listener.Close() })
	_, port, err := net.SplitHostPort(listener.Addr().String())
	ts.Check(err)
	ts.Setenv(args[0], port)
}

// reach waits until a server answers at a port: reach PORT.
func reach(ts *testscript.TestScript, _ bool, args []string) {
	if !within(func() bool { return answers("127.0.0.1:" + args[0]) }) {
		ts.Fatalf("nothing answers at port %s", args[0])
	}
}

// within waits until a condition outside of this process is true, and reports whether it became
// true in time.
func within(is func() bool) bool {
	for deadline := time.Now().Add(patience); !is(); time.Sleep(10 * time.Millisecond) { // polling
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// fetch makes a request over verified TLS and compares the status: fetch STATUS METHOD URL CA [USER PASSWORDFILE]. The body is put into
// the file "body".
func fetch(ts *testscript.TestScript, _ bool, args []string) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(ts.ReadFile(args[3]))) {
		ts.Fatalf("%s holds no certificate", args[3])
	}
	request, err := http.NewRequestWithContext(context.Background(), args[1], args[2], http.NoBody)
	ts.Check(err)
	if len(args) > 4 {
		request.SetBasicAuth(args[4], strings.TrimSpace(ts.ReadFile(args[5])))
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	ts.Check(err)
	defer response.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(response.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("body"), body, 0o600))
	if got := strconv.Itoa(response.StatusCode); got != args[0] {
		ts.Fatalf("%s %s: %s, want %s: %s", args[1], args[2], got, args[0], body)
	}
}

// mode compares the permissions of files: mode 0600 FILE….
func mode(ts *testscript.TestScript, _ bool, args []string) {
	for _, path := range args[1:] {
		info, err := os.Stat(ts.MkAbs(path))
		ts.Check(err)
		if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
			ts.Fatalf("%s is %s, want %s", path, got, args[0])
		}
	}
}

// same remembers the files below a directory the first time, and compares them the second: same NAME DIR.
func same(ts *testscript.TestScript, neg bool, args []string) {
	var now strings.Builder
	ts.Check(filepath.WalkDir(ts.MkAbs(args[1]), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if strings.Contains(path, "/data/") {
			return nil
		}
		data, err := os.ReadFile(path)
		fmt.Fprintf(&now, "%s %x\n", path, data)
		return err
	}))
	remembered := ts.MkAbs(".same-" + args[0])
	before, err := os.ReadFile(remembered)
	if os.IsNotExist(err) {
		ts.Check(os.WriteFile(remembered, []byte(now.String()), 0o600))
		return
	}
	ts.Check(err)
	if (string(before) == now.String()) == neg {
		ts.Fatalf("files below %s: same is %v", args[1], !neg)
	}
}

// absent fails where a secret stands in one of the files: absent SECRETFILE FILE….
func absent(ts *testscript.TestScript, _ bool, args []string) {
	for secret := range strings.Lines(ts.ReadFile(args[0])) {
		if _, password, ok := strings.Cut(secret, ":"); ok && !strings.HasPrefix(secret, "#") {
			secret = password
		}
		secret = strings.TrimSpace(secret)
		if secret == "" || strings.HasPrefix(secret, "#") {
			continue
		}
		for _, name := range args[1:] {
			if strings.Contains(ts.ReadFile(name), secret) {
				ts.Fatalf("a secret stands in %s", name)
			}
		}
	}
}

// flip turns a bit of a stored blob, as a damaged disk might: flip DIRECTORY HEX.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	path := filepath.Join(ts.MkAbs(args[0]), args[1][:2], args[1], "data")
	data, err := os.ReadFile(path)
	ts.Check(err)
	data[len(data)/2] ^= 1
	ts.Check(os.WriteFile(path, data, 0o600))
}
