package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// plainInstallation serves without TLS on loopback, where the kernel sees what
// goes over the wire, and returns a client with a connection per request.
func plainInstallation(t *testing.T) (*installation, *server, *http.Client) {
	t.Helper()
	need(t, "strace")
	in := install(t, "--tls", "off")
	client := in.client()
	client.Transport.(*http.Transport).DisableKeepAlives = true
	return in, in.serve(), client
}

// TestDurableBeforeTheAnswer watches the kernel: before a push is answered with
// 201, the journal that holds it is made durable, or where the file system is
// not fit for a journal its bytes, then named, and then the names.
func TestDurableBeforeTheAnswer(t *testing.T) {
	in, s, client := plainInstallation(t)
	// What only the first push into a store does is done before.
	if first := pushArtifact(in, client, admin, "warm/up", "v1", noise(1, 10)); first.err != nil {
		t.Fatalf("push: %v", first.err)
	}

	watched := attach(t, s)
	for i, size := range []int{1, 1000, 3_000_000} {
		layer := noise(uint64(100+i), size)
		result := pushArtifact(in, client, writer, "durable/app", fmt.Sprintf("v%d", i), layer)
		if result.err != nil {
			t.Fatalf("push: %v", result.err)
		}
	}
	if moved := pushArtifact(in, client, writer, "durable/app", "v0", noise(110, 100)); moved.err != nil {
		t.Fatalf("push over a tag: %v", moved.err)
	}
	if _, err := pushBlobInPieces(in, client, writer, "durable/app", noise(111, 100_000), 3); err != nil {
		t.Fatalf("push in pieces: %v", err)
	}
	single := noise(112, 5000)
	got, err := in.request(client, writer, "POST", "/v2/durable/app/blobs/uploads/?digest="+digestOf(single), single)
	if err != nil || got.status != http.StatusCreated && got.status != http.StatusAccepted {
		t.Fatalf("push in one request: %v %d", err, got.status)
	}
	seen := watched.close()
	defer s.stop()

	promised := 0
	for _, e := range seen {
		if e.status != http.StatusCreated {
			continue
		}
		promised++
		if len(e.storeRenames()) == 0 && strings.Contains(e.request, digestOf([]byte("{}"))[len("sha256:"):]) {
			continue // the empty config was there, linked and durable
		}
		if e.journaled() >= 0 {
			assertJournaled(t, e)
		} else {
			assertDurable(t, e)
		}
	}
	// Four artifacts of two blobs and a manifest, two blobs alone.
	if promised < 13 {
		t.Errorf("the trace shows %d answers of 201, want at least 13", promised)
	}
}

// storeTree is in every path of what is promised; what a server keeps beside it
// may go with a crash.
const storeTree = "/docker/registry/v2/"

// storeRenames returns the positions of the calls that named something in the
// store.
func (e exchanged) storeRenames() []int {
	return slices.DeleteFunc(e.renames(), func(i int) bool {
		_, to := e.calls[i].paths()
		return !strings.Contains(to, storeTree)
	})
}

// journaled returns the position of the call that made the journal durable, or
// -1. A checkpoint may come to its end meanwhile, which says so in the header of
// the segment that it was of.
func (e exchanged) journaled() int {
	for _, i := range e.syncs() {
		if c := e.calls[i]; strings.Contains(c.syncedPath(), journalTree) && !c.aside {
			return i
		}
	}
	return -1
}

const (
	journalTree   = "/packhouse/v1/journal/"
	journalHeader = "PKHH" // what the first block of a segment begins with
	// Larger files are not in the journal; it says where they were staged.
	journaledMost = 64 << 10
)

// assertJournaled demands the order of one acknowledged push that the journal
// holds: what is in it was durable before anything was named, and what it only
// names was durable before that.
func assertJournaled(t *testing.T, e exchanged) {
	t.Helper()
	renames, journaled := e.storeRenames(), e.journaled()
	if len(renames) == 0 {
		t.Errorf("%s: answered 201 and named nothing\n%s", e.request, e.story())
	}
	for _, i := range renames {
		from, to := e.calls[i].paths()
		if e.calls[i].started < e.calls[journaled].started || i < journaled {
			t.Errorf("%s: %s was named before the journal was durable\n%s", e.request, to, e.story())
		}
		info, err := os.Stat(to)
		if err != nil || info.IsDir() || info.Size() <= journaledMost {
			continue
		}
		synced := slices.IndexFunc(e.calls, func(c call) bool { return c.name == "fsync" && c.syncedPath() == from && !c.failed })
		if synced < 0 || synced > journaled {
			t.Errorf("%s: %s was not durable before the journal was\n%s", e.request, to, e.story())
		}
	}
}

// assertDurable demands the order of one acknowledged push without a journal.
func assertDurable(t *testing.T, e exchanged) {
	t.Helper()
	syncs, renames := e.syncs(), e.storeRenames()
	if len(renames) == 0 || len(syncs) == 0 {
		t.Errorf("%s: answered 201 after %d renames and %d syncs", e.request, len(renames), len(syncs))
		return
	}
	firstRename, lastRename := renames[0], renames[len(renames)-1]
	if syncs[0] > firstRename {
		t.Errorf("%s: something was named before anything was durable\n%s", e.request, e.story())
	}
	// A sync counts for the names only if it began after the last of them.
	if !slices.ContainsFunc(syncs, func(i int) bool { return i > lastRename && e.calls[i].started > e.calls[lastRename].started }) {
		t.Errorf("%s: answered before the names were durable\n%s", e.request, e.story())
	}
	// Each name, and each directory on the way to it, is durable only when the
	// directory that holds it is.
	for _, i := range slices.Concat(renames, e.mkdirs()) {
		from, to := e.calls[i].paths()
		if to == "" {
			to = from
		}
		if strings.Contains(to, storeTree) && !e.syncedAfter(i, path.Dir(to)) {
			t.Errorf("%s: answered before the name %s was durable\n%s", e.request, to, e.story())
		}
	}
	for _, i := range renames {
		from, to := e.calls[i].paths()
		if path.Base(to) != "data" && path.Base(to) != "link" {
			continue
		}
		durable := slices.ContainsFunc(syncs, func(j int) bool {
			return j < i && (e.calls[j].name == "syncfs" || e.calls[j].syncedPath() == from)
		})
		if !durable {
			t.Errorf("%s: %s was named before its bytes were durable\n%s", e.request, to, e.story())
		}
	}
}

// syncedAfter tells whether a directory was made durable by a call that began
// after another one.
func (e exchanged) syncedAfter(position int, directory string) bool {
	return slices.ContainsFunc(e.syncs(), func(i int) bool {
		c := e.calls[i]
		return i > position && c.started > e.calls[position].started && (c.name == "syncfs" || c.syncedPath() == directory)
	})
}

// story prints what the server did, for whoever has to find out why.
func (e exchanged) story() string {
	var text strings.Builder
	for _, c := range e.calls {
		fmt.Fprintf(&text, "    %s(%s\n", c.name, c.args)
	}
	return text.String()
}

// TestFailedSyncIsNeverPromised lets every sync fail, then one in turn, then many. A request that
// meets the failure must not be acknowledged unless what it changed became durable elsewhere. The
// server must keep running, the same push must succeed afterwards, and /health must recover.
func TestFailedSyncIsNeverPromised(t *testing.T) {
	in, s, client := plainInstallation(t)
	before := pushArtifact(in, client, admin, "failing/app", "before", noise(200, 1000))
	if before.err != nil {
		t.Fatalf("push: %v", before.err)
	}

	// Where a checkpoint meets the failure instead, there are more rounds.
	const enough = 6
	met, whens := 0, []string{"1+", "1", "2", "3", "4", "5", "1+2", "2+2", "1+3", "2+3"}
	for round := 0; round < len(whens) || met < enough && round < 10*len(whens); round++ {
		when := whens[round%len(whens)]
		layer := noise(uint64(1000+round), 2000)
		tag := fmt.Sprintf("v%d", round)
		failing := attach(t, s, "-e", "inject="+strings.Join(syncCalls, ",")+":error=EIO:when="+when)
		for _, push := range []func() error{
			func() error { return pushArtifact(in, client, admin, "failing/app", tag, layer).err },
			func() error { return pushArtifact(in, client, admin, "failing/app", "before", layer).err },
			func() error {
				_, err := pushBlobInPieces(in, client, admin, "failing/app", noise(uint64(2000+round), 5000), 2)
				return err
			},
			func() error { return before.manifestAgain(in, client, fmt.Sprintf("again%d", round)) },
		} {
			// What is refused here is judged by the trace below.
			_ = push()
		}
		for _, e := range failing.close() {
			if reads := strings.HasPrefix(e.request, http.MethodGet+" "); reads || !e.metFailure() {
				continue // a read promises nothing
			}
			met++
			promise := e.status == http.StatusCreated || e.status == http.StatusOK || e.status == http.StatusNoContent
			if promise && !e.journaledElsewhere() {
				t.Errorf("when=%s: %s was answered with %d although a sync failed\n%s", when, e.request, e.status, e.story())
			}
		}

		healed := pushArtifact(in, client, admin, "failing/app", tag, layer)
		if healed.err != nil {
			t.Fatalf("after the failure: %v", healed.err)
		}
		if err := healed.readBack(in, client, reader); err != nil {
			t.Errorf("after the failure: %v", err)
		}
		for digest := range before.blobs {
			if err := readBlob(in, client, reader, before.repository, digest); err != nil {
				t.Errorf("what was promised before the failure: %v", err)
			}
		}
	}
	eventually(t, "health recovers", patience, func() bool {
		health, err := in.request(client, "", "GET", "/health", nil)
		return err == nil && health.status == http.StatusOK
	})
	s.stop()
	t.Logf("%d requests met a failing sync", met)
	if met < enough {
		t.Errorf("%d requests met a failing sync: too few to prove anything", met)
	}
}

// ownTrees are where lies what a request itself waits for: the journal, and what
// is on its way into the store.
var ownTrees = []string{journalTree, "/packhouse/v1/stage/", "/packhouse/v1/uploads/"}

// metFailure tells whether a sync failed that the request itself waits for. Beside
// it, a checkpoint may be settling what came before: by a syncfs, and where that
// fails by what the journal names, in the store and beside it.
func (e exchanged) metFailure() bool {
	return slices.ContainsFunc(e.calls, func(c call) bool {
		path := c.syncedPath()
		ours := slices.ContainsFunc(ownTrees, func(tree string) bool { return strings.Contains(path, tree) })
		return c.injected && !c.aside && ours && !strings.HasSuffix(path, "-probe") // the probe of /health
	})
}

// journaledElsewhere reports whether the journal became durable after every failed write to it. A
// segment that failed does not count until another file took its name.
func (e exchanged) journaledElsewhere() bool {
	distrusted, durable := map[string]bool{}, false
	for _, c := range e.calls {
		if slices.Contains(renameCalls, c.name) && !c.failed {
			_, to := c.paths()
			delete(distrusted, to)
		}
		segment := c.syncedPath()
		if c.aside || !slices.Contains(syncCalls, c.name) || !strings.Contains(segment, journalTree) {
			continue
		}
		switch {
		case c.failed:
			distrusted[segment], durable = true, false
		case !distrusted[segment]:
			durable = true
		}
	}
	return durable
}

// manifestAgain puts the manifest of an earlier push under another tag, which
// names what is there and writes little.
func (p pushed) manifestAgain(in *installation, client *http.Client, tag string) error {
	got, err := in.request(client, admin, "GET", "/v2/"+p.repository+"/manifests/"+p.manifest, nil, "Accept", ociManifest)
	if err != nil {
		return err
	}
	put, err := in.request(client, admin, "PUT", "/v2/"+p.repository+"/manifests/"+tag, got.body, "Content-Type", ociManifest)
	if err != nil {
		return err
	}
	if put.status != http.StatusCreated {
		return &refusedError{"put manifest", put}
	}
	return nil
}
