package e2e

import (
	"context"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// exchange drives one directory through turns of both servers, and knows all
// that was ever pushed there.
type exchange struct {
	*installation
	crane *tool
	oras  *tool
	held  map[string]layout // reference without the host → what it has to be
}

func newExchange(t *testing.T) *exchange {
	t.Helper()
	need(t, "registry")
	in := install(t)
	// Distribution computes the hash on every request: a cheap one will do here.
	htpasswd := newTool(t, "htpasswd")
	htpasswd.runWith(in.passwords[admin]+"\n", "-i", "-B", "-C", "5", filepath.Join(in.dir, "auth", "htpasswd-basic"), admin)
	x := &exchange{installation: in, crane: newTool(t, "crane"), oras: newTool(t, "oras"), held: map[string]layout{}}
	for _, client := range []*tool{x.crane, x.oras} {
		client.set("SSL_CERT_FILE", in.ca())
		client.set("SSL_CERT_DIR", client.dir)
	}
	return x
}

// login can only be done while a server runs.
func (x *exchange) login() {
	x.t.Helper()
	x.crane.runWith(x.passwords[admin], "auth", "login", x.addr, "--username", admin, "--password-stdin")
	x.oras.runWith(x.passwords[admin], "login", x.addr, "--username", admin, "--password-stdin")
}

// push adds an image for two platforms.
func (x *exchange) push(reference string, seed uint64) {
	x.t.Helper()
	_, tag, _ := strings.Cut(reference, ":")
	image := makeLayout(x.t, tag, seed)
	x.crane.run("push", image.dir, x.addr+"/"+reference)
	x.held[reference] = image
}

// verify demands that the running server has all that was pushed, lists it all
// and nothing else.
func (x *exchange) verify(who string) {
	x.t.Helper()
	tags := map[string][]string{}
	for _, reference := range slices.Sorted(maps.Keys(x.held)) {
		repository, tag, _ := strings.Cut(reference, ":")
		tags[repository] = append(tags[repository], tag)
		if got := x.crane.run("digest", x.addr+"/"+reference); got != x.held[reference].index {
			x.t.Errorf("%s: %s is %s, want %s", who, reference, got, x.held[reference].index)
		}
		x.crane.run("validate", "--remote", x.addr+"/"+reference)
		out := filepath.Join(x.t.TempDir(), "pulled")
		x.crane.run("pull", "--format", "oci", x.addr+"/"+reference, out)
		x.held[reference].assertLayout(x.t, out)
	}
	got := slices.DeleteFunc(strings.Fields(x.crane.run("catalog", x.addr)), func(repository string) bool {
		return strings.HasPrefix(repository, "packhouse-probe/") // emptied by setup's checks; packhouse lists it nowhere
	})
	if want := slices.Collect(maps.Keys(tags)); !slices.Equal(sorted(got...), sorted(want...)) {
		x.t.Errorf("%s: the catalogue is %v, want %v", who, got, want)
	}
	for repository, want := range tags {
		got := slices.DeleteFunc(strings.Fields(x.crane.run("ls", x.addr+"/"+repository)), func(tag string) bool {
			return strings.HasPrefix(tag, "sha256-") // the tag scheme of referrers
		})
		if !slices.Equal(sorted(got...), sorted(want...)) {
			x.t.Errorf("%s: the tags of %s are %v, want %v", who, repository, got, want)
		}
	}
}

// attach adds a referrer and returns its digest.
func (x *exchange) attach(reference, content string) string {
	x.t.Helper()
	x.oras.write(content, []byte(content))
	return x.oras.run("attach", "--artifact-type", "application/vnd.example.note", x.addr+"/"+reference, content,
		"--format", "go-template={{.digest}}")
}

// TestExchangeStartsWithPackhouse fills a directory with packhouse, hands it to
// CNCF distribution with the same configuration, and takes it back.
func TestExchangeStartsWithPackhouse(t *testing.T) {
	x := newExchange(t)

	ours := x.serve()
	x.login()
	x.push("team/app:v1", 51)
	x.push("team/app:v2", 52)
	x.push("team:v1", 53)
	x.push("team-app:v1", 51) // content that another repository has too
	first := x.attach("team/app:v1", "by-packhouse")
	client := x.client()
	chunked := noise(54, 300_000)
	digest, err := pushBlobInPieces(x.installation, client, admin, "team/app", chunked, 3)
	if err != nil {
		t.Fatalf("push in pieces: %v", err)
	}
	x.verify("packhouse, first")
	ours.stop()

	theirs := x.serveDistribution()
	x.verify("distribution")
	if err := readBlob(x.installation, client, admin, "team/app", digest); err != nil {
		t.Errorf("distribution: %v", err)
	}
	x.oras.run("pull", x.addr+"/team/app@"+first, "--output", "pulled")
	x.push("team/app:v3", 55)
	x.push("team/app:v2", 56) // moves a tag that packhouse made
	x.push("theirs:v1", 57)
	second := x.attach("team/app:v1", "by-distribution")
	x.verify("distribution, filled")
	theirs.stop()

	ours = x.serve()
	x.verify("packhouse, again")
	if got, want := referrersOf(x.oras, x.addr+"/team/app:v1"), sorted(first, second); !slices.Equal(got, want) {
		t.Errorf("packhouse, again: the referrers are %v, want %v", got, want)
	}
	x.crane.run("delete", x.addr+"/team/app@"+x.held["team/app:v3"].index)
	delete(x.held, "team/app:v3")
	x.push("theirs:v2", 58)
	x.verify("packhouse, after a deletion")
	ours.stop()

	x.collectWithDistribution()
	theirs = x.serveDistribution()
	x.verify("distribution, after its collection")
	theirs.stop()
	ours = x.serve()
	x.verify("packhouse, after distribution's collection")
	ours.stop()
}

// TestExchangeTakesReferrersBack writes the fallback tag for referrers that were attached with
// packhouse, as docs/scaling.md says, before distribution serves the directory.
func TestExchangeTakesReferrersBack(t *testing.T) {
	x := newExchange(t)
	ours := x.serve()
	x.login()
	x.push("team/app:v1", 61)
	first := x.attach("team/app:v1", "by-packhouse")
	subject := x.oras.run("resolve", x.addr+"/team/app:v1")
	_, hex, _ := strings.Cut(subject, ":")
	url := "https://" + x.addr + "/v2/team/app/referrers/" + subject
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth(admin, x.passwords[admin])
	answer, err := x.client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	index, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%d, %v: %s", answer.StatusCode, err, index)
	}
	x.oras.write("referrers.json", index)
	fallback := x.addr + "/team/app:sha256-" + hex
	x.oras.run("manifest", "push", "--media-type", "application/vnd.oci.image.index.v1+json", fallback, "referrers.json")
	ours.stop()

	theirs := x.serveDistribution()
	if got, want := referrersOf(x.oras, x.addr+"/team/app:v1"), []string{first}; !slices.Equal(got, want) {
		t.Errorf("distribution: the referrers are %v, want %v", got, want)
	}
	second := x.attach("team/app:v1", "by-distribution")
	if got, want := referrersOf(x.oras, x.addr+"/team/app:v1"), sorted(first, second); !slices.Equal(got, want) {
		t.Errorf("distribution, one more: the referrers are %v, want %v", got, want)
	}
	theirs.stop()

	ours = x.serve()
	if got, want := referrersOf(x.oras, x.addr+"/team/app:v1"), sorted(first, second); !slices.Equal(got, want) {
		t.Errorf("packhouse, again: the referrers are %v, want %v", got, want)
	}
	x.oras.run("manifest", "delete", "--force", x.addr+"/team/app@"+x.oras.run("resolve", fallback))
	x.verify("packhouse, without the fallback tag")
	ours.stop()
}

// TestExchangeStartsWithDistribution is the other way round: packhouse comes to
// a directory that it has never seen.
func TestExchangeStartsWithDistribution(t *testing.T) {
	x := newExchange(t)
	if err := os.RemoveAll(filepath.Join(x.dir, "data")); err != nil {
		t.Fatalf("empty the store: %v", err)
	}

	theirs := x.serveDistribution()
	x.login()
	x.push("app:v1", 61)
	x.push("app:v2", 62)
	x.push("app/nested:v1", 61)
	x.push("app.dot:v1", 63)
	first := x.attach("app:v1", "by-distribution")
	theirs.stop()

	ours := x.serve()
	x.verify("packhouse")
	if got, want := referrersOf(x.oras, x.addr+"/app:v1"), []string{first}; !slices.Equal(got, want) {
		t.Errorf("packhouse: the referrers are %v, want %v", got, want)
	}
	x.push("app:v2", 64)
	x.push("ours:v1", 65)
	x.verify("packhouse, filled")
	ours.stop()

	theirs = x.serveDistribution()
	x.verify("distribution, again")
	theirs.stop()
	x.collectWithDistribution()
	ours = x.serve()
	x.verify("packhouse, after distribution's collection")
	ours.stop()
}

// collectWithDistribution runs distribution's collection, which walks the
// whole store and gives up at the first thing that it does not know.
func (x *exchange) collectWithDistribution() {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.t.Context(), toolTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, need(x.t, "registry"), "garbage-collect", x.configuration()).CombinedOutput()
	if err != nil {
		x.t.Fatalf("distribution's collection: %v\n%s", err, out)
	}
}
