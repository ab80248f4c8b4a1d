package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// orasTool is oras, trusting the installation's CA alone and logged in.
func orasTool(in *installation, user string) *tool {
	in.t.Helper()
	oras := newTool(in.t, "oras")
	oras.set("SSL_CERT_FILE", in.ca())
	oras.set("SSL_CERT_DIR", oras.dir)
	oras.runWith(in.passwords[user], "login", in.addr, "--username", user, "--password-stdin")
	return oras
}

// TestOrasLogin takes the right password and no other.
func TestOrasLogin(t *testing.T) {
	in := install(t)
	s := in.serve()
	for user := range in.passwords {
		orasTool(in, user)
	}
	oras := newTool(t, "oras")
	oras.failsWith("not the password", "login", in.addr, "--ca-file", in.ca(), "--username", admin, "--password-stdin")
	// Without the CA nothing is told to anybody.
	said := oras.failsWith(in.passwords[admin], "login", in.addr, "--username", admin, "--password-stdin")
	if !strings.Contains(said, "x509") && !strings.Contains(said, "certificate") {
		t.Errorf("without the CA oras complains about something else: %s", said)
	}
	s.stop()
}

// TestOrasPacks publishes packs word for word as the vendor's documentation
// has it: first an empty artifact without a tag, then the archive.
func TestOrasPacks(t *testing.T) {
	in := install(t)
	s := in.serve()
	oras := orasTool(in, writer)
	pack := archive(t,
		"nginx-1.2.3/pack.json", `{"name":"nginx","displayName":"Nginx","version":"1.2.3","layer":"addon"}`,
		"nginx-1.2.3/values.yaml", "pack:\n  namespace: nginx\n",
	)
	oras.write("nginx-1.2.3.tar.gz", pack)

	oras.run("push", in.addr+"/spectro-packs/archive")
	oras.run("push", in.addr+"/base/path/spectro-packs/archive")
	oras.run("push", in.addr+"/spectro-packs/archive/nginx:1.2.3", "nginx-1.2.3.tar.gz")
	oras.run("push", "--image-spec", "v1.0", in.addr+"/base/path/spectro-packs/archive/nginx:1.2.3", "nginx-1.2.3.tar.gz")

	reading := orasTool(in, reader)
	for _, repository := range []string{"/spectro-packs/archive/nginx", "/base/path/spectro-packs/archive/nginx"} {
		reference := in.addr + repository + ":1.2.3"
		manifest := fromJSON[manifestDocument](t, reading.run("manifest", "fetch", reference))
		if len(manifest.Layers) != 1 {
			t.Fatalf("%s has %d layers, want 1", reference, len(manifest.Layers))
		}
		if title := manifest.Layers[0].Annotations["org.opencontainers.image.title"]; title != "nginx-1.2.3.tar.gz" {
			t.Errorf("%s: the layer is titled %q", reference, title)
		}
		reading.run("pull", reference, "--output", "pulled")
		if !bytes.Equal(reading.read("pulled/nginx-1.2.3.tar.gz"), pack) {
			t.Errorf("%s comes back as other bytes", reference)
		}
		if tags := reading.run("repo", "tags", in.addr+repository); tags != "1.2.3" {
			t.Errorf("%s has the tags %q", repository, tags)
		}
	}
	s.stop()
}

// TestOrasByName uses the registry under the name that the certificate is for.
func TestOrasByName(t *testing.T) {
	in := install(t)
	s := in.serve()
	oras := newTool(t, "oras")
	host := hostname + ":" + in.port()
	trust := []string{"--ca-file", in.ca(), "--resolve", hostname + ":" + in.port() + ":127.0.0.1"}
	oras.runWith(in.passwords[writer], append([]string{"login", host, "--username", writer, "--password-stdin"}, trust...)...)
	oras.write("hello.txt", []byte("hello\n"))
	oras.run(append([]string{"push", host + "/hello:v1", "hello.txt"}, trust...)...)
	oras.run(append([]string{"pull", host + "/hello:v1", "--output", "pulled"}, trust...)...)
	if got := oras.read("pulled/hello.txt"); string(got) != "hello\n" {
		t.Errorf("pulled %q", got)
	}
	s.stop()
}

// TestOrasReferrers attaches to an artifact, finds what was attached, and
// copies the whole graph.
func TestOrasReferrers(t *testing.T) {
	in := install(t)
	s := in.serve()
	oras := orasTool(in, admin)
	oras.write("app.bin", noise(7, 50_000))
	oras.write("sbom.json", []byte(`{"sbom":true}`))
	oras.write("signature", []byte("signed"))
	subject := in.addr + "/graph/app:v1"

	oras.run("push", "--artifact-type", "application/vnd.example.app", subject, "app.bin")
	sbom := oras.run("attach", "--artifact-type", "application/vnd.example.sbom", subject, "sbom.json", "--format", "go-template={{.digest}}")
	signature := oras.run("attach", "--artifact-type", "application/vnd.example.signature", subject, "signature", "--format", "go-template={{.digest}}")
	nested := oras.run("attach", "--artifact-type", "application/vnd.example.signature", in.addr+"/graph/app@"+sbom, "signature", "--format", "go-template={{.digest}}")

	// The API is there, so nothing may have fallen back to the tag scheme.
	if tags := oras.run("repo", "tags", in.addr+"/graph/app"); tags != "v1" {
		t.Errorf("the tags are %q, want v1 alone", tags)
	}
	if got, want := referrersOf(oras, subject), sorted(sbom, signature); !slices.Equal(got, want) {
		t.Errorf("referrers are %v, want %v", got, want)
	}
	if got, want := referrersOf(oras, subject, "--artifact-type", "application/vnd.example.sbom"), []string{sbom}; !slices.Equal(got, want) {
		t.Errorf("filtered referrers are %v, want %v", got, want)
	}

	target := in.addr + "/graph/copy:v1"
	oras.run("cp", "--recursive", subject, target)
	if got, want := referrersOf(oras, target), sorted(sbom, signature); !slices.Equal(got, want) {
		t.Errorf("referrers of the copy are %v, want %v", got, want)
	}
	if got, want := referrersOf(oras, in.addr+"/graph/copy@"+sbom), []string{nested}; !slices.Equal(got, want) {
		t.Errorf("referrers of the copied referrer are %v, want %v", got, want)
	}
	if oras.run("resolve", subject) != oras.run("resolve", target) {
		t.Error("the copy has another digest")
	}

	oras.run("manifest", "delete", "--force", in.addr+"/graph/app@"+signature)
	if got, want := referrersOf(oras, subject), []string{sbom}; !slices.Equal(got, want) {
		t.Errorf("after deleting one, referrers are %v, want %v", got, want)
	}
	s.stop()
}

// referrersOf lists the direct referrers' digests, sorted.
func referrersOf(oras *tool, subject string, flags ...string) []string {
	oras.t.Helper()
	args := append([]string{"discover", "--format", "json", "--depth", "1", subject}, flags...)
	found := fromJSON[struct {
		Referrers []struct {
			Digest string `json:"digest"`
		} `json:"referrers"`
	}](oras.t, oras.run(args...))
	var digests []string
	for _, referrer := range found.Referrers {
		digests = append(digests, referrer.Digest)
	}
	return sorted(digests...)
}

func sorted(values ...string) []string {
	slices.Sort(values)
	return values
}

// TestOrasTagsAndDeletion moves, lists and deletes.
func TestOrasTagsAndDeletion(t *testing.T) {
	in := install(t)
	s := in.serve()
	oras := orasTool(in, admin)
	repository := in.addr + "/tags/app"
	oras.write("one", []byte("one"))
	oras.write("two", []byte("two"))
	one := oras.run("push", repository+":v1,latest", "one", "--format", "go-template={{.digest}}")
	two := oras.run("push", repository+":v2", "two", "--format", "go-template={{.digest}}")
	oras.run("tag", repository+":v2", "latest", "stable")
	if got := oras.run("resolve", repository+":latest"); got != two {
		t.Errorf("latest is %s, want %s", got, two)
	}
	if tags := strings.Fields(oras.run("repo", "tags", repository)); !slices.Equal(tags, []string{"latest", "stable", "v1", "v2"}) {
		t.Errorf("the tags are %v", tags)
	}
	if repositories := strings.Fields(oras.run("repo", "ls", in.addr)); !slices.Equal(repositories, []string{"tags/app"}) {
		t.Errorf("the repositories are %v", repositories)
	}
	oras.run("manifest", "delete", "--force", repository+"@"+one)
	oras.fails("resolve", repository+":v1")
	oras.fails("pull", repository+"@"+one, "--output", "gone")
	oras.run("pull", repository+":stable", "--output", "there")

	blob := digestOf([]byte("a blob alone"))
	oras.write("blob", []byte("a blob alone"))
	oras.run("blob", "push", repository+"@"+blob, "blob")
	if got := oras.run("blob", "fetch", "--output", "-", repository+"@"+blob); got != "a blob alone" {
		t.Errorf("the blob is %q", got)
	}
	oras.run("blob", "delete", "--force", repository+"@"+blob)
	oras.fails("blob", "fetch", "--output", "-", repository+"@"+blob)
	s.stop()
}

// TestOrasRoles holds the roles against a client that tries.
func TestOrasRoles(t *testing.T) {
	in := install(t)
	s := in.serve()
	tools := map[string]*tool{}
	for _, user := range []string{admin, writer, reader} {
		tools[user] = orasTool(in, user)
		tools[user].write("file", []byte("pushed by "+user))
	}
	repository := in.addr + "/roles/app"
	tools[writer].run("push", repository+":v1", "file")
	tools[reader].run("pull", repository+":v1", "--output", "pulled")
	for _, attempt := range [][]string{
		{"push", repository + ":v2", "file"},
		{"tag", repository + ":v1", "mine"},
		{"cp", repository + ":v1", in.addr + "/roles/stolen:v1"},
		{"manifest", "delete", "--force", repository + ":v1"},
	} {
		tools[reader].fails(attempt...)
	}
	tools[writer].fails("manifest", "delete", "--force", repository+":v1")
	if tags := tools[reader].run("repo", "tags", repository); tags != "v1" {
		t.Errorf("the tags are %q", tags)
	}
	tools[admin].run("manifest", "delete", "--force", repository+":v1")

	anonymous := newTool(t, "oras")
	anonymous.fails("repo", "tags", "--ca-file", in.ca(), repository)
	s.stop()
}

// TestOrasBackup takes a repository out into a layout and puts it back.
func TestOrasBackup(t *testing.T) {
	in := install(t)
	s := in.serve()
	oras := orasTool(in, admin)
	source := makeLayout(t, "v1", 11)
	oras.run("cp", "--from-oci-layout", source.dir+":v1", in.addr+"/backup/app:v1")
	out := filepath.Join(oras.dir, "out")
	oras.run("cp", "--to-oci-layout", in.addr+"/backup/app:v1", out+":v1")
	source.assertLayout(t, out)
	if _, err := os.Stat(filepath.Join(out, "index.json")); err != nil {
		t.Errorf("no layout came out: %v", err)
	}
	s.stop()
}
