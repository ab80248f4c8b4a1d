//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/pattern"
	"packhouse/setup/installation"
)

// canary is in every secret of this test, and nowhere else. Wherever it turns up, a secret has got out.
const canary = "Xc4n4ryQ7"

// Secrets, each with the canary in it.
const (
	adminSecret    = canary + "-of-the-admin"
	writerSecret   = canary + "-of-ci"
	readerSecret   = canary + "-of-a-reader"
	otherSecret    = canary + "-that-is-new"
	wrongSecret    = canary + "-that-is-wrong"
	bucketSecret   = canary + "-of-a-bucket"
	httpSecret     = canary + "-of-http"
	hookSecret     = canary + "-of-a-webhook"
	accountSecret  = canary + "-of-an-account"
	documentSecret = canary + "-in-a-wrong-place"
)

// traces are the forms in which the canary is looked for: as it is, in hexadecimal, and in base64 wherever it may begin in a text.
var traces = func() []string {
	list := []string{canary, hex.EncodeToString([]byte(canary))}
	for shift := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x00", shift) + canary + "\x00\x00"))
		list = append(list, encoded[4:len(encoded)-8+shift-shift])
	}
	return list
}()

// hashes and keys never show either, though they hold no canary.
var never = []*regexp.Regexp{
	regexp.MustCompile(`\$2[aby]\$\d\d\$[./A-Za-z0-9]{20}`),
	regexp.MustCompile(`BEGIN [A-Z ]*PRIVATE KEY`),
}

// leak tells which secret stands in a text; empty: none.
func leak(text string) string {
	for _, trace := range traces {
		if i := strings.Index(text, trace); i >= 0 {
			return fmt.Sprintf("%q", text[max(0, i-60):min(len(text), i+60)])
		}
	}
	return ""
}

func TestCanaryIsFoundInEveryForm(t *testing.T) {
	for _, prefix := range []string{"", "a", "ab", "admin:", "ci-bot:"} {
		for _, text := range []string{
			prefix + adminSecret, base64.StdEncoding.EncodeToString([]byte(prefix + adminSecret)), base64.URLEncoding.EncodeToString([]byte(prefix + adminSecret)),
			hex.EncodeToString([]byte(prefix + adminSecret)),
		} {
			if leak("something "+text+" something") == "" {
				t.Errorf("it is not found in %q", text)
			}
		}
	}
}

// call is one run of a command.
type call struct {
	line  string // arguments, cut at spaces; {root} and so on as in the faults
	stdin string
	env   []string
	fails bool
	shows bool // it is there to hand a private key out
}

// calls are runs of every command, with good and with bad ends, in an order in which each finds what it needs.
var calls = []call{
	{line: "setup --yes --dir {dir} --hostname localhost --addr 127.0.0.1:{port} --storage-path {data} --log-level debug --no-start --offline --password-file admin={root}/admin.txt --user ci:writer --user reads --password-stdin", stdin: "reads:" + readerSecret + "\n", env: []string{"PACKHOUSE_PASSWORD_CI=" + writerSecret}},
	{line: "setup --yes --json --dir {dir} --no-start --san 10.9.8.7", env: []string{"PACKHOUSE_PASSWORD_CI=" + otherSecret}},
	{line: "setup --yes --json --dir {dir} --dry-run --password-file reads={root}/ci.txt", fails: true},
	{line: "setup --yes --dir {dir} --dry-run --password-file reads={root}/ci.txt", fails: true},
	{line: "setup --yes --json --dir {dir} --password-file reads={root}/long.txt", fails: true},
	{line: "setup --yes --dir {dir} --password-file {root}/admin.txt", fails: true},
	{line: "setup --yes --dir {dir} --password-stdin", stdin: wrongSecret + "\n", fails: true},
	{line: "setup --yes --dir {dir} --password-stdin", stdin: "nobody:" + wrongSecret + "\n", fails: true},
	{line: "setup --yes --dir {dir} --answers {root}/answers.yml", fails: true},
	{line: "setup --yes --dir {root}/S3 --hostname localhost --addr 127.0.0.1:{port} --storage s3 --s3-bucket packs --s3-region us-east-1 --s3-endpoint {engine} --s3-path-style --s3-access-key AKID --s3-secret-key-file {root}/bucket.txt", fails: true},
	{line: "setup --yes --json --dir {root}/S3 --hostname localhost --addr 127.0.0.1:{port} --storage s3 --s3-bucket packs --s3-region us-east-1 --s3-endpoint {engine} --s3-path-style --s3-access-key AKID --s3-secret-key-file {root}/bucket.txt --offline --no-start"},
	{line: "setup --yes --json --dir {root}/S3 --dry-run --offline --san 10.9.8.7", fails: true},
	{line: "check --json --dir {root}/S3", fails: true},
	{line: "store usage --dir {root}/S3", fails: true},
	{line: "serve --dir {root}/S3", fails: true},
	{line: "config show --dir {root}/S3"},
	{line: "config show --dir {root}/S3", env: []string{"REGISTRY_STORAGE_S3_SECRETKEY=" + otherSecret, "REGISTRY_HTTP_SECRET=" + otherSecret}},

	{line: "config verify {dir}/myconfig.yml"},
	{line: "config verify --json {dir}/myconfig.yml"},
	{line: "config show {dir}/myconfig.yml"},
	{line: "config show --json {dir}/myconfig.yml"},
	{line: "config schema"},
	{line: "config schema {root}/admin.txt", fails: true},
	{line: "config verify {root}/wrong1.yml", fails: true},
	{line: "config verify --json {root}/wrong2.yml", fails: true},
	{line: "config show {root}/wrong3.yml", fails: true},
	{line: "serve {root}/wrong1.yml", fails: true},
	{line: "serve {root}/wrong2.yml", fails: true},
	{line: "check --json {root}/wrong3.yml", fails: true},
	{line: "status --json {root}/wrong1.yml", fails: true},
	{line: "config verify {dir}/myconfig.yml", env: []string{"REGISTRY_HTTP_SECRETE=" + wrongSecret}, fails: true},
	{line: "config verify {dir}/myconfig.yml", env: []string{"REGISTRY_HTTP_ADDR=" + wrongSecret + ":x"}, fails: true, shows: true},

	{line: "status --dir {dir}"},
	{line: "status --json --dir {dir}"},
	{line: "status --dir {root}/nowhere", fails: true},
	{line: "check --dir {dir}"},
	{line: "check --json --dir {dir}"},
	{line: "check --url https://localhost:{port} --ca-file {dir}/certs/ca.crt --user admin --password-stdin --json", stdin: adminSecret + "\n"},
	{line: "check --url https://localhost:{port} --ca-file {dir}/certs/ca.crt --user admin --password-stdin", stdin: wrongSecret + "\n", fails: true},
	{line: "check --url https://admin:" + wrongSecret + "@localhost:{port}", fails: true, shows: false},
	{line: "reload --dir {dir}"},
	{line: "reload --dir {root}/nowhere", fails: true},

	{line: "user add --dir {dir} other --password-stdin", stdin: otherSecret + "\n"},
	{line: "user add --dir {dir} other --password-stdin", stdin: wrongSecret + "\n", fails: true},
	{line: "user add --dir {dir} " + "third --password-file {root}/long.txt", fails: true},
	{line: "user passwd --dir {dir} other --password-file {root}/ci.txt"},
	{line: "user passwd --dir {dir} other --password-file {root}/long.txt", fails: true},
	{line: "user passwd --dir {dir} nobody --password-stdin", stdin: wrongSecret + "\n", fails: true},
	{line: "user role --dir {dir} other writer"},
	{line: "user role --dir {dir} other emperor", fails: true},
	{line: "user list --dir {dir}"},
	{line: "user list --json --dir {dir}"},
	{line: "user list --dir {root}/nowhere", fails: true},
	{line: "user remove --dir {dir} other"},
	{line: "user remove --dir {dir} admin", fails: true},

	{line: "cert show --dir {dir}"},
	{line: "cert show --json --dir {dir}"},
	{line: "cert show --dir {root}/nowhere", fails: true},
	{line: "cert rotate --dir {dir} --new-key"},
	{line: "cert rotate --dir {dir} --ca-key {root}/admin.txt", fails: true},
	{line: "cert export ca --dir {dir}"},
	{line: "cert export kubernetes --dir {dir}"},
	{line: "cert export kubernetes --with-key --dir {dir}", shows: true},
	{line: "cert export docker --dir {dir}", fails: true},
	{line: "cert trust --dir {dir}"},
	{line: "cert trust --dir {root}/nowhere", fails: true},

	{line: "registry login localhost:{port} --ca-file {dir}/certs/ca.crt -u admin --password-stdin", stdin: adminSecret + "\n"},
	{line: "registry login localhost:{port} --ca-file {dir}/certs/ca.crt -u admin --password-stdin", stdin: wrongSecret + "\n", fails: true},
	{line: "registry login localhost:1 -u admin --password-stdin", stdin: adminSecret + "\n", fails: true},
	{line: "pack build hello {root}/packs --manifests {root}/yaml --version 1.0.0"},
	{line: "pack build hello {root}/packs --manifests {root}/yaml --version 1.0.0", fails: true},
	{line: "pack lint {root}/packs/hello-1.0.0"},
	{line: "pack lint --json {root}/yaml", fails: true},
	{line: "pack images {root}/packs/hello-1.0.0 --json"},
	{line: "pack images hello:9 -r localhost:{port}", fails: true},
	{line: "pack diff {root}/packs/hello-1.0.0 {root}/packs/hello-1.0.0 --json"},
	{line: "pack diff {root}/packs/hello-1.0.0 hello:9 -r localhost:{port}", fails: true},
	{line: "pack constraints check {root}/packs/hello-1.0.0 --kubernetes 1.31.4"},
	{line: "pack constraints check hello:9 -r localhost:{port}", fails: true},
	{line: "pack push {root}/packs/hello-1.0.0 -r localhost:{port} --json"},
	{line: "pack push {root}/packs/hello-1.0.0 -r localhost:{port}"}, // unchanged
	{line: "pack push {root}/packs/hello-1.0.0 -r localhost:{port} -m x", fails: true},
	{line: "pack ls -r localhost:{port}"},
	{line: "pack ls -r localhost:{port} --name hello --json"},
	{line: "pack ls -r localhost:1", fails: true},
	{line: "pack tag add hello:1.0.0 stable -r localhost:{port}"},
	{line: "pack tag add hello:9 stable -r localhost:{port}", fails: true},
	{line: "pack tag delete hello:stable -r localhost:{port}"},
	{line: "pack tag delete hello:stable -r localhost:{port}", fails: true},
	{line: "pack pull hello {root}/pulled -r localhost:{port}"},
	{line: "pack pull nothing {root}/pulled -r localhost:{port}", fails: true},
	{line: "registry logout localhost:{port}"},
	{line: "registry logout http://{port}:x", fails: true},
	{line: "pack ls -r localhost:{port}", fails: true},

	{line: "store usage --dir {dir} --json"},
	{line: "store usage --dir {root}/nowhere", fails: true},
	{line: "store gc --dir {dir} --dry-run --json"},
	{line: "store gc --dir {root}/nowhere", fails: true},
	{line: "store scrub --dir {dir}"},
	{line: "store scrub --dir {root}/nowhere", fails: true},
	{line: "store reindex --dir {dir} --json"},
	{line: "store reindex --dir {root}/nowhere", fails: true},
	{line: "store delete " + packConfig + " --dir {dir}", fails: true},
	{line: "store delete " + packConfig + " --dir {dir} --force"},

	{line: "rollback --dir {dir} --dry-run", fails: true},
	{line: "rollback --dir {dir} --yes"},
	{line: "uninstall --dir {dir} --yes", fails: true}, // the server runs
	{line: "uninstall --dir {root}/S3 --yes"},
	{line: "version"},
	{line: "version more", fails: true},
	{line: "completion bash"},
	{line: "completion fish"},
	{line: "completion powershell"},
	{line: "completion zsh"},
	{line: "help user"},
}

// packConfig is the config that every pack has, in a repository of the walk.
const packConfig = "spectro-packs/archive/hello@sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

// neverFail are commands that nothing can go wrong with.
var neverFail = []string{"packhouse completion bash", "packhouse completion fish", "packhouse completion powershell", "packhouse completion zsh", "packhouse help"}

// TestNoCommandIsForgotten has every command of the tree in the walk below, with a good and with a bad end.
func TestNoCommandIsForgotten(t *testing.T) {
	root := newRoot(&cli.App{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Now: time.Now})
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	good, bad := map[string]bool{"packhouse serve": true}, map[string]bool{} // the walk starts a server of its own
	for _, c := range calls {
		cmd, _, err := root.Find(strings.Fields(c.line))
		if err != nil {
			t.Errorf("%s: %v", c.line, err)
			continue
		}
		good[cmd.CommandPath()] = good[cmd.CommandPath()] || !c.fails
		bad[cmd.CommandPath()] = bad[cmd.CommandPath()] || c.fails
	}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
		path := cmd.CommandPath()
		if cmd.HasSubCommands() || cmd.Hidden {
			return
		}
		if !good[path] {
			t.Errorf("%s is not in the walk", path)
		}
		if !bad[path] && !slices.Contains(neverFail, path) {
			t.Errorf("%s is in the walk with good ends only", path)
		}
	}
	walk(root)
}

// TestCanary puts secrets into everything that takes some, runs every command, and looks for them in everything that comes out: words,
// results, logs, arguments of processes, answers to clients and files that are not there to hold them.
func TestCanary(t *testing.T) {
	if testing.Short() {
		t.Skip("runs every command")
	}
	t.Parallel()
	s := newSite(t, publicRoot(t))
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprint(w, `<Error><Code>AccessDenied</Code><Message>no</Message></Error>`)
	}))
	t.Cleanup(engine.Close)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	t.Cleanup(hook.Close)
	for name, secret := range map[string]string{"admin.txt": adminSecret, "ci.txt": otherSecret, "long.txt": wrongSecret + strings.Repeat("é", 40), "bucket.txt": bucketSecret} {
		s.write(name, secret+"\n", 0o600)
	}
	s.write("answers.yml", "hostname: localhost\npassword: "+documentSecret+"\n", 0o600)
	s.write("wrong1.yml", "version: 0.1\nstorage: {inmemory: {}}\nhttp: {addr: ':0', secret: {a: "+documentSecret+"}}\n", 0o600)
	s.write("wrong2.yml", "version: 0.1\nstorage: {s3: {region: r, bucket: b, accesskey: k, secretkey: ["+documentSecret+"]}}\nnotifications: {endpoints: [{name: a, url: 'https://u:"+documentSecret+"@%', headers: "+documentSecret+"}]}\n", 0o600)
	s.write("wrong3.yml", "version: 0.1\nhttp:\n  secret: \""+documentSecret+"\n", 0o600)
	s.must(os.Mkdir(s.at("yaml"), 0o755))
	s.write("yaml/a.yaml", "kind: Pod\nspec:\n  containers:\n    - image: registry.example.com/agent:2.0.0\n", 0o644)
	spies, stop := s.watchArguments()
	w := &walk{site: s, env: []string{"PATH=" + spies + ":" + os.Getenv("PATH")}, engine: engine.URL}

	first := slices.IndexFunc(calls, func(c call) bool { return strings.HasPrefix(c.line, "config verify") })
	for _, c := range calls[:first] {
		w.run(c)
	}
	s.stdin, s.env = "", nil
	w.moreSecrets(hook.URL)
	s.serve()
	w.strangers()
	for _, c := range calls[first:] {
		w.run(c)
	}
	w.atTerminals()
	stop()
	w.look()
}

// walk is a run of all calls.
type walk struct {
	*site
	env    []string
	engine string
}

// run makes one call, and looks at what it says.
func (w *walk) run(c call) {
	w.t.Helper()
	line := strings.ReplaceAll(w.words(c.line), "{engine}", w.engine)
	w.stdin, w.site.env = c.stdin, append(slices.Clone(w.env), c.env...)
	got := w.site.run(strings.Fields(line)...)
	if (got.code != cli.ExitOK) != c.fails {
		w.t.Errorf("%s: exit code %d:\n%s", c.line, got.code, got.stderr)
	}
	if c.shows {
		return
	}
	w.clean(c.line, got.stdout+got.stderr)
}

// clean fails the test where a secret stands in a text.
func (w *walk) clean(where, text string) {
	w.t.Helper()
	if found := leak(text); found != "" {
		w.t.Errorf("%s: a secret: %s", where, found)
	}
	for _, shape := range never {
		if found := shape.FindString(text); found != "" {
			w.t.Errorf("%s: a secret: %q", where, found)
		}
	}
}

// moreSecrets puts secrets into the configuration by hand, and an account into the cache of certificates.
func (w *walk) moreSecrets(hook string) {
	w.t.Helper()
	w.edit("http:\n", "http:\n  secret: "+httpSecret+"\n")
	text, err := os.ReadFile(w.inDir(installation.ConfigFile))
	w.must(err)
	w.write(w.inDir(installation.ConfigFile), string(text)+"\nnotifications:\n  endpoints:\n    - name: builds\n      url: "+strings.Replace(hook, "http://", "http://user:"+hookSecret+"@", 1)+
		"\n      headers: {Authorization: [Bearer "+hookSecret+"]}\n      timeout: 1s\n      threshold: 1\n      backoff: 1s\n", 0o600)
	w.must(os.MkdirAll(w.inDir("le-cache"), 0o700))
	w.write(w.inDir("le-cache/acme_account+key"), "-----BEGIN EC PRIVATE KEY-----\n"+accountSecret+"\n-----END EC PRIVATE KEY-----\n", 0o600)
	w.must(os.Mkdir(w.at("ACME"), 0o755))
	w.write("ACME/myconfig.yml", "version: 0.1\nstorage: {inmemory: {}}\nhttp:\n  addr: '127.0.0.1:"+w.port+"'\n  tls: {letsencrypt: {cachefile: "+w.inDir("le-cache")+
		", email: a@example.com, hosts: [registry.example.com]}}\nauth: {htpasswd: {realm: r, path: "+w.inDir(installation.HtpasswdFile)+"}}\n", 0o600)
	for _, line := range []string{"cert show --dir {root}/ACME", "check --json {root}/ACME/myconfig.yml", "config show {root}/ACME/myconfig.yml", "status {root}/ACME/myconfig.yml"} {
		got := w.site.run(strings.Fields(w.words(line))...)
		w.clean(line, got.stdout+got.stderr)
	}
}

// strangers are clients that send secrets where they belong, and where they do not.
func (w *walk) strangers() {
	w.t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // of the test
	defer client.CloseIdleConnections()
	ask := func(path, user, password, header string) {
		request, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, "https://127.0.0.1:"+w.port+path, http.NoBody)
		w.must(err)
		if user != "" {
			request.SetBasicAuth(user, password)
		}
		if header != "" {
			request.Header.Set("Authorization", header)
		}
		response, err := client.Do(request)
		w.must(err)
		var told bytes.Buffer
		w.must(response.Header.Write(&told))
		_, err = told.ReadFrom(response.Body)
		w.must(err)
		_ = response.Body.Close()
		w.clean("answer to "+path, told.String())
	}
	ask("/v2/", "admin", adminSecret, "")
	ask("/v2/_catalog", "admin", wrongSecret, "")
	ask("/v1/", wrongSecret, adminSecret+"x", "") // the password in the place of the name
	ask("/v2/", "", "", "Basic "+wrongSecret)
	ask("/v2/", "", "", "Bearer "+wrongSecret)
	ask("/health", "admin", adminSecret, "")
	ask("/", "reads", readerSecret, "")
}

// atTerminals types secrets at prompts, and looks at screens on which they might stand.
func (w *walk) atTerminals() {
	w.t.Helper()
	type screen struct {
		args []string
		keys []string // each is typed once the words before it have come: words, keys, words, keys …
		code int
	}
	for _, at := range []screen{
		{args: []string{"user", "passwd", "reads", "--dir", w.dir}, keys: []string{"new password of reads", otherSecret + enter, "repeat the password", otherSecret + enter}},
		{args: []string{"user", "passwd", "reads", "--dir", w.dir}, keys: []string{"new password of reads", otherSecret + enter, "repeat the password", wrongSecret + enter}, code: cli.ExitFailed},
		{args: []string{"registry", "login", "localhost:" + w.port, "--ca-file", w.inDir("certs/ca.crt"), "-u", "admin"}, keys: []string{"password of admin", wrongSecret + enter}, code: cli.ExitFailed},
		{args: []string{"--dir", w.dir}, keys: []string{"This installation", ctrlC}, code: cli.ExitInterrupted},
		{args: []string{"setup", "--dir", w.at("W"), "--hostname", "localhost", "--san", "127.0.0.1", "--offline", "--storage-path", w.at("W/data"), "--password-file", "admin=" + w.at("admin.txt")}, keys: []string{
			steps[0], "?" + enter + enter, steps[1], enter, steps[2], enter, steps[3], enter, steps[4], "?", "Why this is asked", ctrlC,
		}, code: cli.ExitInterrupted},
	} {
		c := openConsole(w.t, 100, 30, at.args...)
		for i := 0; i+1 < len(at.keys); i += 2 {
			c.Wants(at.keys[i])
			c.Keys(at.keys[i+1])
		}
		c.Ends(at.code)
		w.clean("screen of "+strings.Join(at.args[:2], " "), c.Written())
	}
}

// homes are the files that are there to hold secrets, below the site; what setup keeps of them is in them too.
var homes = pattern.Lazy(`^(admin|ci|long|bucket)\.txt$|^answers\.yml$|^wrong\d\.yml$|^(D|S3|ACME)/myconfig\.yml$|^(D|S3)/backup/[^/]*/(\d+|files\.json)$|^D/le-cache/|^\.docker/config\.json$`)

// look goes through every file that is left.
func (w *walk) look() {
	w.t.Helper()
	w.must(filepath.WalkDir(w.root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(w.root, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found := leak(string(data))
		info, err := entry.Info()
		switch {
		case err != nil:
			return err
		case found != "" && !homes().MatchString(name):
			w.t.Errorf("%s holds a secret: %s", name, found)
		case found != "" && info.Mode().Perm()&0o077 != 0:
			w.t.Errorf("%s holds a secret, and others may read it: %v", name, info.Mode())
		}
		return nil
	}))
}

// watchArguments looks at the arguments of all processes of the machine until stop is called, and puts programs in the place of those that
// packhouse might start, which keep theirs.
func (s *site) watchArguments() (spies string, stop func()) {
	s.t.Helper()
	spies = s.at("run/spies")
	s.must(os.Mkdir(spies, 0o755))
	for _, name := range []string{"systemctl", "journalctl", "useradd", "nft", "iptables", "ip6tables", "ufw", "firewall-cmd", "timedatectl", "chronyc", "update-ca-certificates", "update-ca-trust"} {
		s.write(filepath.Join(spies, name), "#!/bin/sh\nprintf '%s\\n' \"$0 $*\" >> "+s.at("run/arguments")+"\nexit 1\n", 0o755)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		for ctx.Err() == nil {
			lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, line := range lines {
				if data, err := os.ReadFile(line); err == nil && leak(string(data)) != "" && !bytes.Contains(data, []byte("--url")) {
					s.t.Errorf("a secret is an argument of a process: %q", data)
					return
				}
			}
			time.Sleep(40 * time.Millisecond) // leaves the processor to the processes that are watched
		}
	})
	return spies, func() {
		cancel()
		watching.Wait()
	}
}
