package s3

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/storagetest"
)

// faultProxy is toxiproxy in front of the engine.
type faultProxy struct {
	t    *testing.T
	api  string
	addr string
}

func startFaultProxy(t *testing.T, upstream string) *faultProxy {
	t.Helper()
	free := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
	api, addr := free(), free()
	_, port, _ := net.SplitHostPort(api)
	cmd := exec.Command(beside(t, "toxiproxy"), "-host", "127.0.0.1", "-port", port)
	cmd.Env = append(os.Environ(), "LOG_LEVEL=error")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	p := &faultProxy{t: t, api: "http://" + api, addr: addr}
	answers(t, p.api+"/version", new(bytes.Buffer))
	p.post("/proxies", map[string]any{"name": "s3", "listen": addr, "upstream": upstream, "enabled": true})
	return p
}

func (p *faultProxy) post(path string, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	r, err := http.Post(p.api+path, "application/json", bytes.NewReader(text))
	if err != nil {
		p.t.Error(err)
		return
	}
	defer r.Body.Close()
	if r.StatusCode >= 300 {
		words, _ := io.ReadAll(r.Body)
		p.t.Errorf("toxiproxy %s: %s: %s", path, r.Status, words)
	}
}

// toxic adds a fault until it is removed.
func (p *faultProxy) toxic(kind, stream string, attributes map[string]any) {
	p.post("/proxies/s3/toxics", map[string]any{"name": kind + stream, "type": kind, "stream": stream, "attributes": attributes})
}

func (p *faultProxy) clean() {
	p.post("/reset", nil)
}

// torment changes the fault every moment until ctx ends: delays, cut and reset connections, an engine that is not there.
func (p *faultProxy) torment(ctx context.Context) {
	chance := rand.New(rand.NewPCG(11, 12))
	for pause(ctx, 300*time.Millisecond) == nil {
		switch chance.IntN(6) {
		case 0:
			p.toxic("reset_peer", "downstream", map[string]any{"timeout": chance.IntN(30)})
		case 1:
			p.toxic("reset_peer", "upstream", map[string]any{"timeout": chance.IntN(30)})
		case 2:
			p.toxic("limit_data", "downstream", map[string]any{"bytes": 200 + chance.IntN(40_000)})
		case 3:
			p.toxic("limit_data", "upstream", map[string]any{"bytes": 200 + chance.IntN(40_000)})
		case 4:
			p.toxic("latency", "downstream", map[string]any{"latency": 50, "jitter": 50})
		case 5:
			p.post("/proxies/s3", map[string]any{"enabled": false})
		}
		_ = pause(ctx, time.Duration(50+chance.IntN(200))*time.Millisecond)
		p.clean()
	}
	p.clean()
}

// acknowledgements are what was promised to clients.
type acknowledgements struct {
	mu     sync.Mutex
	blobs  map[digest.Digest]bool
	images map[string]*storagetest.Image
	failed int
}

// tellSomething tells whether something was promised, and something failed.
func (a *acknowledgements) tellSomething() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.images) > 0 && a.failed > 0
}

// pushAll pushes until ctx ends: blobs by either way, and images.
func (a *acknowledgements) pushAll(ctx context.Context, t *testing.T, s *Store, worker int) {
	repo := storagetest.Repo(t, "a")
	o := storage.Owner{Repository: repo, User: fmt.Sprint(worker)}
	for i := 0; ctx.Err() == nil; i++ {
		content := noise(uint64(worker*10_000+i), 1000+i%7*100_000)
		if i%9 == 8 {
			content = noise(uint64(worker*10_000+i), 11<<20)
		}
		d := digest.FromBytes(content)
		var err error
		if i%2 == 0 {
			err = s.PutBlob(ctx, o, d, bytes.NewReader(content), int64(len(content)))
		} else {
			err = pushChunks(ctx, s, o, content)
		}
		image := storagetest.NewImage(t, fmt.Sprint("worker ", worker, " image ", i), nil)
		tag := fmt.Sprintf("t-%d-%d", worker, i)
		ierr := image.TryPush(t, s, "b", tag)
		a.mu.Lock()
		if err == nil {
			a.blobs[d] = true
		}
		if ierr == nil {
			a.images[tag] = image
		}
		if err != nil || ierr != nil {
			a.failed++
		}
		a.mu.Unlock()
	}
}

func pushChunks(ctx context.Context, s *Store, o storage.Owner, content []byte) error {
	u, err := s.StartUpload(ctx, o, digest.SHA256)
	if err != nil {
		return err
	}
	defer func() { _ = s.CancelUpload(ctx, o, u.ID) }()
	for tries := 0; ; tries++ {
		at := u.Offset
		if at == int64(len(content)) {
			break
		}
		end := min(at+int64(len(content)/3+1), int64(len(content)))
		next, err := s.AppendUpload(ctx, o, u.ID, at, bytes.NewReader(content[at:end]), end-at)
		var order *storage.OffsetError
		switch {
		case err == nil:
			u = next
		case errors.As(err, &order):
			u = order.Upload
		case tries > 10:
			return err
		default:
			if now, serr := s.StatUpload(ctx, o, u.ID); serr == nil {
				u = now
			} else if tries > 5 {
				return serr
			}
		}
	}
	return s.FinishUpload(ctx, o, u.ID, -1, nil, 0, digest.FromBytes(content))
}

// TestEngineFaults pushes from two processes through a connection that breaks all the time, while a third one collects and scrubs. Whatever
// was acknowledged is there in the end, whole; nothing is left open.
func TestEngineFaults(t *testing.T) {
	cfg := startEngine(t)
	proxy := startFaultProxy(t, cfg.RegionEndpoint)
	direct := openEngine(t, cfg, nil)
	through := cfg
	through.RegionEndpoint, through.MaxRetries = proxy.addr, 1
	quick := func(o *Options) { o.Settle, o.Window = 500*time.Millisecond, 2*time.Second }
	var all []*Store
	for range 3 {
		all = append(all, openEngine(t, through, quick))
	}
	how := 8 * time.Second
	if d, err := time.ParseDuration(os.Getenv("SOAK")); err == nil {
		how = d
	}
	ctx, cancel := context.WithTimeout(t.Context(), how+5*time.Minute)
	defer cancel()
	a := &acknowledgements{blobs: map[digest.Digest]bool{}, images: map[string]*storagetest.Image{}}
	var wait sync.WaitGroup
	wait.Go(func() { // as long as was asked for, and until there is something to look at; on a busy machine that takes longer
		defer cancel()
		for err := pause(ctx, how); err == nil && !a.tellSomething(); err = pause(ctx, 100*time.Millisecond) {
		}
	})
	wait.Go(func() { proxy.torment(ctx) })
	for i, s := range all[:2] {
		for w := range 2 {
			wait.Go(func() { a.pushAll(ctx, t, s, 2*i+w) })
		}
	}
	collections, scrubs, removed := 0, 0, 0
	wait.Go(func() {
		for ctx.Err() == nil {
			if r, err := all[2].Collect(ctx, storage.CollectOptions{}, nil); err == nil && r.Skipped == "" {
				collections++
				removed += r.BlobsRemoved
			}
			if r, err := all[2].Scrub(ctx, storage.ScrubOptions{}, nil); err == nil {
				scrubs++
				for _, d := range r.Damaged {
					if d.Kind != "link" {
						t.Errorf("scrub: %+v", d)
					}
				}
			}
		}
	})
	wait.Wait()
	t.Logf("%d blobs and %d images acknowledged, %d pushes failed; %d collections removed %d blobs; %d scrubs",
		len(a.blobs), len(a.images), a.failed, collections, removed, scrubs)
	if !a.tellSomething() {
		t.Error("too few pushes went through or failed for this to tell anything")
	}
	for tag, image := range a.images {
		if err := image.TryCheck(t, direct, "b", tag); err != nil {
			t.Errorf("acknowledged and lost: %s: %v", tag, err)
		}
	}
	for tag := range a.images {
		if _, err := direct.bucket.head(t.Context(), tagEntry("b", tag)); err != nil {
			t.Errorf("acknowledged and not listed: %s: %v", tag, err)
		}
	}
	// Blobs that no manifest refers to may be collected after a window; what there is must be good.
	r, err := direct.Scrub(t.Context(), storage.ScrubOptions{}, nil)
	for deadline := time.Now().Add(2 * leaseLife); errors.Is(err, storage.ErrElsewhere) && time.Now().Before(deadline); {
		time.Sleep(time.Second) // giving the lease back was cut off: it runs out
		r, err = direct.Scrub(t.Context(), storage.ScrubOptions{}, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range r.Damaged {
		if d.Kind != "link" {
			t.Errorf("scrub: %+v", d)
		}
	}
	time.Sleep(1100 * time.Millisecond) // the engine's times count whole seconds
	if _, err := direct.PurgeUploads(t.Context(), 0, false); err != nil {
		t.Fatal(err)
	}
	left(t, direct, uploadsDir, multipartDir)
}
