package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestReplicasServeAsOne pushes and pulls with crane through three processes in
// turns, and looks at each of them alone afterwards.
func TestReplicasServeAsOne(t *testing.T) { onS3Engines(t, testReplicasServeAsOne) }

func testReplicasServeAsOne(t *testing.T, engine string) {
	c := newReplicas(t, engine, 3)
	crane := newTool(t, "crane")
	crane.runWith(c.passwords[admin], "auth", "login", c.addr, "--username", admin, "--password-stdin", "--insecure")
	held := map[string]layout{}
	for i, reference := range []string{"team/app:v1", "team/app:v2", "team:v1", "team-app:v1"} {
		_, tag, _ := strings.Cut(reference, ":")
		held[reference] = makeLayout(t, tag, uint64(70+i))
		crane.run("push", "--insecure", held[reference].dir, c.addr+"/"+reference)
	}
	for reference, image := range held {
		for _, addr := range append([]string{c.addr}, c.all[0].addr, c.all[1].addr, c.all[2].addr) {
			if addr != c.addr {
				crane.runWith(c.passwords[admin], "auth", "login", addr, "--username", admin, "--password-stdin", "--insecure")
			}
			if got := crane.run("digest", "--insecure", addr+"/"+reference); got != image.index {
				t.Errorf("%s/%s is %s, want %s", addr, reference, got, image.index)
			}
		}
		out := filepath.Join(t.TempDir(), "pulled")
		crane.run("pull", "--insecure", "--format", "oci", c.addr+"/"+reference, out)
		image.assertLayout(t, out)
	}
	if got := strings.Fields(crane.run("catalog", "--insecure", c.addr)); len(got) != 3 {
		t.Errorf("the catalogue is %v", got)
	}
	crane.run("delete", "--insecure", c.addr+"/team/app@"+held["team/app:v1"].index)
	crane.fails("digest", "--insecure", c.addr+"/team/app:v1")
}

// TestReplicasDieDuringUploads kills one process after the other, without
// warning, while clients push in chunks through the balancer. An upload whose
// process is gone is continued at another one, and whatever was acknowledged is
// there in the end.
func TestReplicasDieDuringUploads(t *testing.T) { onS3Engines(t, testReplicasDieDuringUploads) }

func testReplicasDieDuringUploads(t *testing.T, engine string) {
	const workers = 4
	c := newReplicas(t, engine, 3)
	length := soak(t)
	end := time.Now().Add(length)
	var mu sync.Mutex
	acknowledged := map[string]bool{}
	var pushes []pushed
	resumed, gaveUp := 0, 0
	proven := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(acknowledged) > 0 && resumed > 0
	}
	stop := make(chan struct{})
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() {
			client := c.client()
			client.Transport.(*http.Transport).DisableKeepAlives = true
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				content := noise(uint64(1000*w+i), 200_000+i%5*3_000_000)
				digest, broken, err := pushResumed(c.installation, client, admin, "load/app", content, 6)
				p := pushArtifact(c.installation, client, admin, "load/art", fmt.Sprintf("t%d-%d", w, i), noise(uint64(1000*w+i), 5000))
				mu.Lock()
				resumed += broken
				if err == nil {
					acknowledged[digest] = true
				} else {
					gaveUp++
				}
				if p.err == nil {
					pushes = append(pushes, p)
				}
				mu.Unlock()
			}
		})
	}
	kills := 0
	for time.Now().Before(end) || !proven() && time.Now().Before(end.Add(patience)) {
		time.Sleep(time.Duration(300+rand.IntN(700)) * time.Millisecond) // the load proceeds between two kills
		victim := c.all[rand.IntN(len(c.all))]
		c.killReplica(victim)
		kills++
		time.Sleep(200 * time.Millisecond) // the others serve alone
		c.startReplica(victim)
	}
	close(stop)
	wait.Wait()
	t.Logf("%d kills; %d uploads acknowledged, %d times continued elsewhere, %d given up; %d artifacts", kills, len(acknowledged), resumed, gaveUp, len(pushes))
	if len(acknowledged) == 0 || resumed == 0 {
		t.Error("nothing was acknowledged or continued: this tells nothing")
	}
	client := c.client()
	for digest := range acknowledged {
		if err := readBlob(c.installation, client, admin, "load/app", digest); err != nil {
			t.Error(err)
		}
	}
	for _, p := range pushes {
		if err := p.readBack(c.installation, client, admin); err != nil {
			t.Error(err)
		}
	}
}

// pushResumed pushes a blob in pieces. After a broken connection it asks where
// the upload stands and goes on from there. It returns how often it did.
func pushResumed(in *installation, client *http.Client, user, repository string, content []byte, pieces int) (digest string, broken int, err error) {
	digest = digestOf(content)
	started, err := in.request(client, user, "POST", "/v2/"+repository+"/blobs/uploads/", []byte{})
	if err != nil || started.status != http.StatusAccepted {
		return digest, broken, errors.Join(err, fmt.Errorf("start: %d", started.status))
	}
	location := started.header.Get("Location")
	for at, tries := 0, 0; at < len(content) && tries < 30; {
		to := min(at+len(content)/pieces+1, len(content))
		got, err := in.request(client, user, "PATCH", location, content[at:to],
			"Content-Type", "application/octet-stream", "Content-Range", fmt.Sprintf("%d-%d", at, to-1))
		if err == nil && got.status == http.StatusAccepted {
			at = to
			continue
		}
		tries++
		broken++
		pauseBeforeRetry()
		stands, err := in.request(client, user, "GET", location, nil)
		if err != nil {
			continue
		}
		if stands.status != http.StatusNoContent {
			return digest, broken, &refusedError{"where it stands", stands}
		}
		if at, err = received(stands.header.Get("Range")); err != nil {
			return digest, broken, err
		}
	}
	for range 10 {
		got, err := in.request(client, user, "PUT", finishLocation(started, digest), []byte{})
		switch {
		case err == nil && got.status == http.StatusCreated:
			return digest, broken, nil
		case err == nil && got.status == http.StatusNotFound:
			// The answer to an earlier one may have been lost.
			return digest, broken, readBlob(in, client, user, repository, digest)
		}
		broken++
		pauseBeforeRetry()
	}
	return digest, broken, errors.New("it cannot be finished")
}

// received reads how many bytes an upload has: "0-99" is a hundred, "0-0" may
// be one or none, which an empty upload's header says.
func received(text string) (int, error) {
	_, last, ok := strings.Cut(text, "-")
	n, err := strconv.Atoi(last)
	if !ok || err != nil {
		return 0, fmt.Errorf("read Range %q", text)
	}
	if n == 0 {
		return 0, nil
	}
	return n + 1, nil
}

// pauseBeforeRetry waits as clients do.
func pauseBeforeRetry() {
	time.Sleep(50 * time.Millisecond) // another replica may need a moment
}
