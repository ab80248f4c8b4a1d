package e2e

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sampleFolder is where the sample packs lie.
var sampleFolder = filepath.Join("..", "..", "packs", "testdata")

// sample returns the absolute path of a sample pack.
func sample(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(sampleFolder, name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// packTool is packhouse as somebody's client, with a home of its own and nobody logged in.
func packTool(t *testing.T) *tool {
	t.Helper()
	client := newTool(t, binary(t))
	client.set("CI", "true") // nobody is asked
	return client
}

// packUser is packhouse, logged in with the installation's CA.
func packUser(in *installation, user string) *tool {
	in.t.Helper()
	client := packTool(in.t)
	client.runWith(in.passwords[user]+"\n", "registry", "login", in.addr, "-u", user, "--password-stdin", "--ca-file", in.ca())
	return client
}

// assertSameTree compares two folders byte for byte.
func assertSameTree(t *testing.T, want, got string) {
	t.Helper()
	if out, err := exec.Command("diff", "-r", want, got).CombinedOutput(); err != nil {
		t.Errorf("%s and %s differ: %v\n%s", want, got, err, out)
	}
}

// TestPackPushedIsWhatOrasPushes compares the artifact with that of the documented commands, and takes it out again with them.
func TestPackPushedIsWhatOrasPushes(t *testing.T) {
	in := install(t)
	s := in.serve()
	client, oras := packUser(in, writer), orasTool(in, writer)
	for name, dir := range map[string]string{
		"policies:1.0.0": "policies-1.0.0", "hello:1.2.3": "hello-1.2.3", "edge-ubuntu:LTS__22.04": "edge-ubuntu-22.04",
		"odd.pack_x:v0.30.0-5.5.2026": "odd.pack_x-v0.30.0-5.5.2026",
	} {
		printed := client.run("pack", "push", sample(t, dir))
		reference := in.addr + "/spectro-packs/archive/" + name
		if !strings.HasPrefix(printed, reference+"@sha256:") {
			t.Errorf("push printed %q", printed)
		}
		if digest := oras.run("resolve", reference); printed != reference+"@"+digest {
			t.Errorf("push printed %q, oras finds %s", printed, digest)
		}
		out := filepath.Join(oras.dir, dir+".pulled")
		oras.run("pull", reference, "--output", out)
		if got, err := exec.Command("tar", "-xzf", filepath.Join(out, dir+".tar.gz"), "-C", out).CombinedOutput(); err != nil {
			t.Fatalf("unpack: %v\n%s", err, got)
		}
		assertSameTree(t, sample(t, dir), filepath.Join(out, dir))

		// The same archive, pushed as the vendor documents it.
		again := in.addr + "/by-oras/spectro-packs/archive/" + name
		command := exec.Command(oras.path, "push", "--image-spec", "v1.0",
			"--annotation", "org.opencontainers.image.created=1970-01-01T00:00:00Z", again, dir+".tar.gz")
		command.Dir, command.Env = out, oras.env
		if got, err := command.CombinedOutput(); err != nil {
			t.Fatalf("oras push: %v\n%s", err, got)
		}
		if ours, theirs := oras.run("manifest", "fetch", reference), oras.run("manifest", "fetch", again); ours != theirs {
			t.Errorf("the manifests differ:\n%s\n%s", ours, theirs)
		}
	}
	if listed := client.run("pack", "ls"); strings.Join(strings.Fields(listed), " ") != "edge-ubuntu LTS__22.04 hello 1.2.3 odd.pack_x v0.30.0-5.5.2026 policies 1.0.0" {
		t.Errorf("listed %q", listed)
	}
	s.stop()
}

// TestPackPushedByOras follows the vendor's documentation word for word, and takes the packs out with packhouse.
func TestPackPushedByOras(t *testing.T) {
	in := install(t)
	s := in.serve()
	oras := orasTool(in, writer)
	script := `set -eu
tar -czvf $NAME-$VERSION.tar.gz $NAME-$VERSION
oras push $HOST/$BASE/spectro-packs/archive
oras push $HOST/$BASE/spectro-packs/archive/$NAME:$VERSION $NAME-$VERSION.tar.gz
`
	if err := os.CopyFS(filepath.Join(oras.dir, "policies-1.0.0"), os.DirFS(sample(t, "policies-1.0.0"))); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("sh", "-c", script)
	command.Dir = oras.dir
	command.Env = append(slices.Clone(oras.env), "NAME=policies", "VERSION=1.0.0", "BASE=team/a", "HOST="+in.addr, "PATH="+filepath.Dir(oras.path)+":"+os.Getenv("PATH"))
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("the documented commands: %v\n%s", err, out)
	}
	client := packUser(in, reader)
	// The documented command leaves out what ORAS 1.1 or later needs.
	listed := client.run("pack", "ls", "--base", "team/a/spectro-packs")
	if !strings.HasPrefix(strings.Join(strings.Fields(listed), " "), "policies 1.0.0 ") || !strings.Contains(listed, "oras push --image-spec v1.0") {
		t.Errorf("listed %q", listed)
	}
	if dir := client.run("pack", "pull", "policies", "out", "--base", "team/a"); dir != "out/policies-1.0.0" {
		t.Errorf("pulled into %q", dir)
	}
	assertSameTree(t, sample(t, "policies-1.0.0"), filepath.Join(client.dir, "out", "policies-1.0.0"))
	if images := client.run("pack", "images", "policies:1.x", "--base", "team/a"); images != "registry.example.com/policies/agent:1.0.0\nregistry.example.com/policies/init:1.0.0" {
		t.Errorf("images are %q", images)
	}

	if said := client.failsWith("", "pack", "pull", "policies:2.x", "out", "--base", "team/a"); !strings.Contains(said, "the registry has no pack policies:2.x") || !strings.Contains(said, "the registry has 1.0.0") {
		t.Errorf("a version that is not there: %q", said)
	}

	// What is no pack is told to be none.
	writing := orasTool(in, writer)
	writing.write("notes.txt", []byte("no pack"))
	writing.run("push", in.addr+"/spectro-packs/archive/notes:1.0.0", "notes.txt")
	if said := client.failsWith("", "pack", "pull", "notes:1.0.0", "out"); !strings.Contains(said, "not a pack") || !strings.Contains(said, "notes.txt") {
		t.Errorf("a pull of what is no pack says %q", said)
	}
	if said := client.run("pack", "ls", "-n", "notes"); !strings.Contains(said, "not a pack") {
		t.Errorf("a listing of what is no pack says %q", said)
	}
	s.stop()
}

// TestPackOverwriting holds the rules of pushing over a version, on both sides.
func TestPackOverwriting(t *testing.T) {
	in := install(t)
	s := in.serve()
	writing, ruling := packUser(in, writer), packUser(in, admin)
	dir := filepath.Join(ruling.dir, "policies-1.0.0")
	if err := os.CopyFS(dir, os.DirFS(sample(t, "policies-1.0.0"))); err != nil {
		t.Fatal(err)
	}
	first := writing.run("pack", "push", dir)
	for _, again := range [][]string{nil, {"-f"}, {"-f", "-m", "again"}} {
		if got := writing.run(append([]string{"pack", "push", dir}, again...)...); got != first {
			t.Errorf("the same content with %q is %s, want %s", again, got, first)
		}
	}
	// oras writes the time to the manifest: another digest with the same content, which needs no right to overwrite.
	oras := orasTool(in, writer)
	reference, _, _ := strings.Cut(first, "@")
	oras.run("pull", reference, "--output", oras.dir)
	command := exec.Command(oras.path, "push", "--image-spec", "v1.0", reference, "policies-1.0.0.tar.gz")
	command.Dir, command.Env = oras.dir, oras.env
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("oras push of the same content: %v\n%s", err, out)
	}
	for _, tc := range []struct {
		who  *tool
		args []string
		want string
	}{
		{writing, []string{"-m", "x"}, "--message requires --force"},
		{writing, []string{"-f", "-m", "again", "--skip-digest-check"}, "admin"},
	} {
		if said := tc.who.failsWith("", append([]string{"pack", "push", dir}, tc.args...)...); !strings.Contains(said, tc.want) {
			t.Errorf("%q says %q, want %q", tc.args, said, tc.want)
		}
	}
	values := []byte("pack:\n  content:\n    images:\n      - image: registry.example.com/policies/agent:1.0.1\n")
	if err := os.WriteFile(filepath.Join(dir, "values.yaml"), values, 0o644); err != nil {
		t.Fatal(err)
	}
	if said := writing.failsWith("", "pack", "push", dir); !strings.Contains(said, "with other content") {
		t.Errorf("a changed pack: %q", said)
	}
	second := ruling.run("pack", "push", dir, "-f", "-m", "corrected the image")
	if first == second {
		t.Errorf("both pushes printed %q", first)
	}
	if said := ruling.run("pack", "ls", "-n", "policies"); !strings.Contains(said, "corrected the image") || strings.Count(said, "\n") != 0 {
		t.Errorf("listed %q", said)
	}
	_, old, _ := strings.Cut(first, "@")
	writing.run("pack", "pull", "policies@"+old, "old")
	assertSameTree(t, sample(t, "policies-1.0.0"), filepath.Join(writing.dir, "old", "policies-1.0.0"))
	writing.run("pack", "pull", "policies:1.x", "new")
	assertSameTree(t, dir, filepath.Join(writing.dir, "new", "policies-1.0.0"))
	s.stop()
}

// TestPackTags gives and takes tags; parent tags follow by themselves.
func TestPackTags(t *testing.T) {
	in := install(t)
	s := in.serve()
	client := packUser(in, admin)
	for _, version := range []string{"1.24.9", "1.24.10"} {
		client.run("pack", "build", "agent", ".", "--manifests", filepath.Join(sample(t, "policies-1.0.0"), "manifests"), "--version", version, "--push")
	}
	client.run("pack", "tag", "add", "agent:1.24.x", "stable", "-g", "prod")
	listed := client.run("pack", "ls", "--name", "agent")
	if lines := strings.Split(listed, "\n"); len(lines) != 3 || strings.Contains(lines[0], ".x") || !strings.Contains(lines[1], "1.x 1.24.x") || !strings.HasPrefix(lines[2], "prod__stable") {
		t.Errorf("listed\n%s", listed)
	}
	for _, args := range [][]string{{"delete", "agent:1.24.x"}, {"add", "agent:1.24.9", "1.24.x"}} {
		if said := client.failsWith("", append([]string{"pack", "tag"}, args...)...); !strings.Contains(said, "is a parent tag") {
			t.Errorf("%q says %q", args, said)
		}
	}
	client.run("pack", "tag", "delete", "agent:1.24.10")
	if dir := client.run("pack", "pull", "agent:1.24.x", "out"); dir != "out/agent-1.24.9" {
		t.Errorf("1.24.x is now %q", dir)
	}
	if dir := client.run("pack", "pull", "agent:prod__stable", "out"); dir != "out/agent-1.24.10" {
		t.Errorf("the other tag of a deleted one is now %q", dir)
	}
	if said := packUser(in, reader).failsWith("", "pack", "tag", "add", "agent:1.24.9", "mine"); !strings.Contains(said, "role") {
		t.Errorf("a reader's tag says %q", said)
	}
	s.stop()
}

// TestPackRefusals makes each mistake that people make, and reads what they are told.
func TestPackRefusals(t *testing.T) {
	in, other := install(t), install(t)
	s := in.serve()
	password := in.passwords[writer] + "\n"
	login := func(c *tool, args ...string) string {
		return c.failsWith(password, append([]string{"registry", "login", "-u", writer, "--password-stdin"}, args...)...)
	}
	nobody := packTool(t)
	said := map[string]string{
		"--ca-file":                   login(nobody, in.addr),
		"not trusted here":            login(nobody, in.addr, "--ca-file", other.ca()),
		"holds no certificate":        login(nobody, in.addr, "--ca-file", in.configuration()),
		"no such file":                login(nobody, in.addr, "--ca-file", "nowhere.crt"),
		"did not accept user":         nobody.failsWith("not the password\n", "registry", "login", in.addr, "-u", writer, "--password-stdin", "--ca-file", in.ca()),
		"nothing listens at":          login(nobody, other.addr, "--ca-file", in.ca()),
		"no address is known":         login(nobody, "packs.invalid"),
		"requires TLS":                login(nobody, "http://"+in.addr),
		"use --password-stdin":        nobody.failsWith("", "registry", "login", in.addr, "-u", writer),
		"use --username":              nobody.failsWith(password, "registry", "login", in.addr, "--password-stdin"),
		"accepts no password":         nobody.failsWith("", "registry", "login", in.addr, "-u", writer, "--password", "x"),
		"no registry was given":       nobody.failsWith("", "pack", "ls"),
		"you are not logged in":       nobody.failsWith("", "pack", "ls", in.addr, "--ca-file", in.ca()),
		"a server is host:port":       nobody.failsWith("", "pack", "ls", "https://"+in.addr+"/team/a"),
		"pushing requires the role":   packUser(in, reader).failsWith("", "pack", "push", sample(t, "hello-1.2.3")),
		"no pack nothing":             packUser(in, reader).failsWith("", "pack", "pull", "nothing", "out"),
		"neither a folder nor a pack": nobody.failsWith("", "pack", "images", "No Such"),
	}
	for want, text := range said {
		if !strings.Contains(text, want) {
			t.Errorf("want %q in %q", want, text)
		}
		for _, secret := range []string{in.passwords[writer], "not the password", "goroutine"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q stands in %q", secret, text)
			}
		}
	}
	s.stop()
}

// TestPackTrustAndLogins finds CAs and passwords where people put them.
func TestPackTrustAndLogins(t *testing.T) {
	in := install(t)
	s := in.serve()
	password := in.passwords[writer] + "\n"
	pem, err := os.ReadFile(in.ca())
	if err != nil {
		t.Fatal(err)
	}
	// The CA in certs.d; the server with its scheme; a helper keeps the password.
	client := packTool(t)
	home := homeOf(client)
	place := filepath.Join(home, ".spectro", "certs.d", in.addr)
	helper := `#!/bin/sh
read -r input || true
case $1 in
store) printf '%s' "$input" > "$HOME/kept" ;;
get) if [ -e "$HOME/kept" ]; then cat "$HOME/kept"; else echo "credentials not found in native keychain"; exit 1; fi ;;
erase) rm -f "$HOME/kept" ;;
esac
`
	tools := t.TempDir()
	for path, text := range map[string]string{
		filepath.Join(place, "ca.crt"):                 string(pem),
		filepath.Join(home, ".docker", "config.json"):  `{"credsStore":"kept"}`,
		filepath.Join(tools, "docker-credential-kept"): helper,
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	client.set("PATH", tools+":"+os.Getenv("PATH"))
	client.runWith(password, "registry", "login", "https://"+in.addr+"/", "-u", writer, "--password-stdin", "-d")
	client.run("pack", "push", sample(t, "hello-1.2.3"), "-r", "https://"+in.addr)
	for _, name := range []string{filepath.Join(home, ".docker", "config.json"), filepath.Join(home, ".spectro", "packhouse.json")} {
		text, err := os.ReadFile(name)
		if err != nil || strings.Contains(string(text), `"auth":`) || strings.Contains(string(text), in.passwords[writer]) {
			t.Errorf("%s holds %s, %v", name, text, err)
		}
	}
	if _, err := os.Stat(filepath.Join(home, "kept")); err != nil {
		t.Errorf("the helper was not asked: %v", err)
	}
	client.run("registry", "logout")
	if said := client.failsWith("", "pack", "ls", "-r", in.addr); !strings.Contains(said, "not logged in") {
		t.Errorf("after logging out: %q", said)
	}

	// What oras logged in, packhouse uses, and the other way round.
	oras := orasTool(in, writer)
	shared := packTool(t)
	shared.set("DOCKER_CONFIG", filepath.Join(homeOf(oras), ".docker"))
	if listed := shared.run("pack", "ls", in.addr, "--ca-file", in.ca()); !strings.HasPrefix(listed, "hello") {
		t.Errorf("with the login of oras: %q", listed)
	}

	// What the vendor's CLI kept.
	theirs := packTool(t)
	config := `{"auths":{"` + in.addr + `":{"auth":"` + basic(writer, in.passwords[writer]) + `","insecure":true}},"defaultRegistry":"` + in.addr + `"}`
	if err := os.MkdirAll(filepath.Join(homeOf(theirs), ".spectro"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(homeOf(theirs), ".spectro", "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if listed := theirs.run("pack", "ls"); !strings.HasPrefix(listed, "hello") {
		t.Errorf("with the login of the vendor's CLI: %q", listed)
	}
	s.stop()
}

// TestPackOnAnotherRegistry uses CNCF distribution, which knows nothing about packs.
func TestPackOnAnotherRegistry(t *testing.T) {
	need(t, "registry")
	in := install(t)
	s := in.serveDistribution()
	client := packUser(in, admin)
	client.run("pack", "push", sample(t, "hello-1.2.3"), "--base", "team")
	client.run("pack", "pull", "hello:1.2.x", "out", "--base", "team")
	assertSameTree(t, sample(t, "hello-1.2.3"), filepath.Join(client.dir, "out", "hello-1.2.3"))
	if listed := client.run("pack", "ls", "--base", "team"); strings.Join(strings.Fields(listed), " ") != "hello 1.2.3" {
		t.Errorf("listed %q", listed)
	}
	client.run("pack", "tag", "add", "hello:1.2.3", "stable", "--base", "team")
	client.run("pack", "tag", "delete", "hello:stable", "--base", "team")
	s.stop()
}

// TestPackOverPlainHTTP uses a registry without TLS.
func TestPackOverPlainHTTP(t *testing.T) {
	in := install(t, "--tls", "off", "--insecure")
	s := in.serve()
	client := packTool(t)
	if said := client.failsWith(in.passwords[writer]+"\n", "registry", "login", in.addr, "-u", writer, "--password-stdin"); !strings.Contains(said, "http://"+in.addr) {
		t.Errorf("without a scheme: %q", said)
	}
	client.runWith(in.passwords[writer]+"\n", "registry", "login", "http://"+in.addr, "-u", writer, "--password-stdin")
	client.run("pack", "push", sample(t, "hello-1.2.3"))
	client.run("pack", "ls", "-r", in.addr)
	s.stop()
}

// homeOf is the home that a client was given.
func homeOf(c *tool) string {
	c.t.Helper()
	for _, variable := range slices.Backward(c.env) {
		if home, ok := strings.CutPrefix(variable, "HOME="); ok {
			return home
		}
	}
	c.t.Fatal("the client has no home")
	return ""
}

// basic is a user and password as configuration files hold them.
func basic(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}
