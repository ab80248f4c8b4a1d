package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// What packhouse does in large stores. No peer takes part.
const (
	scaleFirst    = "first catalog of another server's store"
	scaleCatalog  = "first catalog after a clean stop"
	scaleKilled   = "first catalog after a kill"
	scaleDelete   = "delete a manifest by digest"
	scaleTags     = "all tags, 10,000 a page"
	scaleGC       = "garbage collection on a file system, dead blobs"
	scaleGCBucket = "garbage collection on S3, dead blobs"
	scaleRequests = "garbage collection on S3, requests per dead blob"

	// scaleSettle is how long a collection on S3 waits after its announcement. It is not counted.
	scaleSettle = time.Minute
	scaleTagged = "scale/tagged"
)

func scaleNames(options) []string {
	return []string{scaleFirst, scaleCatalog, scaleKilled, scaleDelete, scaleTags, scaleGC, scaleGCBucket, scaleRequests}
}

// measureScale runs packhouse on stores that another server could have left.
func measureScale(ctx context.Context, b *bench, wanted []string) error {
	b.report.columns = b.peers[:1]
	caches := "warm"
	if b.cold {
		caches = "dropped"
	}
	title := fmt.Sprintf("Large stores: %s repositories, %s tags, %s dead blobs; caches %s",
		thousands(int64(b.catalogue)), thousands(int64(b.tags)), thousands(int64(b.dead)), caches)
	b.report.heading(title, append(b.report.names(), "to the best", "target")...)
	figures := map[string]float64{}
	for _, part := range []struct {
		names   []string
		measure func(ctx context.Context, b *bench, figures map[string]float64) error
	}{
		{[]string{scaleFirst, scaleCatalog, scaleKilled}, scaleOfCatalog},
		{[]string{scaleDelete, scaleTags}, scaleOfTags},
		{[]string{scaleGC}, scaleOfGC},
		{[]string{scaleGCBucket, scaleRequests}, scaleOfBucketGC},
	} {
		if !slices.ContainsFunc(part.names, func(n string) bool { return slices.Contains(wanted, n) }) {
			continue
		}
		if err := part.measure(ctx, b, figures); err != nil {
			return fmt.Errorf("%s: %w", part.names[0], err)
		}
	}
	for _, name := range wanted {
		unit := millis
		switch name {
		case scaleGC, scaleGCBucket:
			unit = perSecond
		case scaleRequests:
			unit = "requests"
		}
		b.report.figures("scale", name, unit, []float64{figures[name]}, []string{number(figures[name])})
	}
	return nil
}

// dropCaches drops the kernel's caches of files, if that is wanted.
func (b *bench) dropCaches() error {
	if !b.cold {
		return nil
	}
	syscall.Sync()
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0); err != nil {
		return fmt.Errorf("drop caches, which needs root: %w", err)
	}
	return nil
}

// onStore starts packhouse on a store and returns how long an operation takes, in ms.
func (b *bench) onStore(ctx context.Context, store string, do func(t *target) error) (float64, error) {
	if err := b.dropCaches(); err != nil {
		return 0, err
	}
	t, err := b.peers[0].start(ctx, place{dir: filepath.Join(b.dir, "scale", "run"), data: store}, b.clients)
	if err != nil {
		return 0, err
	}
	defer t.stop()
	began := time.Now()
	err = do(t)
	return time.Since(began).Seconds() * thousand, err
}

func scaleOfCatalog(ctx context.Context, b *bench, figures map[string]float64) error {
	store := filepath.Join(b.dir, "scale", "catalogue")
	defer os.RemoveAll(store)
	disk := layout{root: store}
	content := "{}"
	err := parallel(ctx, 4, b.catalogue, 0, func(_ context.Context, number int) error {
		name := catalogueName(number)
		return errors.Join(disk.layer(name, content), disk.manifest(name, "v1", content))
	})
	if err != nil {
		return err
	}
	for _, name := range []string{scaleFirst, scaleCatalog, scaleKilled} {
		figures[name], err = b.onStore(ctx, store, func(t *target) error {
			pages, err := t.walk(ctx, "/v2/_catalog?n=1000")
			if want := (b.catalogue + 999) / 1000; err == nil && pages < want {
				err = fmt.Errorf("%d pages of 1,000 for %d repositories", pages, b.catalogue)
			}
			if err == nil && name == scaleCatalog {
				err = t.cmd.Process.Kill()
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func scaleOfTags(ctx context.Context, b *bench, figures map[string]float64) error {
	store := filepath.Join(b.dir, "scale", "tags")
	defer os.RemoveAll(store)
	disk := layout{root: store}
	config := configOf(sharedBlob(kib))
	text := func(number int) string { // half of the tags share a manifest
		return strings.TrimSuffix(manifestOf(config), "}") + fmt.Sprintf(`,"annotations":{"number":"%d"}}`, number%2*number)
	}
	err := parallel(ctx, 4, b.tags, 0, func(_ context.Context, number int) error {
		return disk.manifest(scaleTagged, tagName(number), text(number))
	})
	if err == nil {
		err = disk.layer(scaleTagged, string(config.head[:])+string(config.tail))
	}
	if err != nil {
		return err
	}
	remove := func(number int) func(t *target) error {
		return func(t *target) error {
			_, err := t.do(ctx, request{
				method: http.MethodDelete, path: "/v2/" + scaleTagged + "/manifests/" + digestOf(text(number)),
				want: []int{http.StatusAccepted},
			})
			return err
		}
	}
	// The first deletion in a store of another server reads every tag.
	if _, err := b.onStore(ctx, store, remove(1)); err != nil {
		return err
	}
	if figures[scaleDelete], err = b.onStore(ctx, store, remove(3)); err != nil {
		return err
	}
	figures[scaleTags], err = b.onStore(ctx, store, func(t *target) error {
		_, err := t.walk(ctx, "/v2/"+scaleTagged+"/tags/list?n=10000")
		return err
	})
	return err
}

// deadBlobs fills a store with blobs that no manifest needs and that are older than any window.
func deadBlobs(ctx context.Context, root string, blobs int) error {
	if err := fillStore(ctx, root, blobs); err != nil {
		return err
	}
	old := time.Now().AddDate(-1, 0, 0)
	return filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			err = os.Chtimes(path, old, old)
		}
		return err
	})
}

// collect runs a garbage collection of packhouse and returns how long it takes, in seconds.
func (b *bench) collect(ctx context.Context, at place) (float64, error) {
	if err := os.MkdirAll(at.dir, 0o755); err != nil {
		return 0, err
	}
	at.address = "127.0.0.1:0"
	args, err := b.peers[0].arguments(at)
	if err != nil {
		return 0, err
	}
	if err := b.dropCaches(); err != nil {
		return 0, err
	}
	command := exec.CommandContext(ctx, b.peers[0].binary, "store", "gc", args[len(args)-1])
	command.Env = append(os.Environ(), "RUNTIME_DIRECTORY="+at.dir)
	began := time.Now()
	said, err := command.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%w: %s", err, said)
	}
	return time.Since(began).Seconds(), nil
}

func scaleOfGC(ctx context.Context, b *bench, figures map[string]float64) error {
	store := filepath.Join(b.dir, "scale", "dead")
	defer os.RemoveAll(store)
	if err := deadBlobs(ctx, store, b.dead); err != nil {
		return err
	}
	took, err := b.collect(ctx, place{dir: filepath.Join(b.dir, "scale", "gc"), data: store})
	figures[scaleGC] = float64(b.dead) / took
	return errors.Join(err, noneLeft(store))
}

func scaleOfBucketGC(ctx context.Context, b *bench, figures map[string]float64) error {
	engine, err := startS3Engine(ctx, b.options)
	if err != nil || engine == nil {
		return err
	}
	defer engine.stop()
	counter, err := startS3Counter(engine.address)
	if err != nil {
		return err
	}
	defer counter.stop()
	store := filepath.Join(engine.dir, s3Bucket, "packhouse")
	collect := func(endpoint string) (took float64, err error) {
		if err := deadBlobs(ctx, store, b.dead); err != nil {
			return 0, err
		}
		at := place{dir: filepath.Join(b.dir, "scale", "gc-bucket"), endpoint: endpoint, root: "/packhouse"}
		if took, err = b.collect(ctx, at); err != nil {
			return 0, err
		}
		return took, noneLeft(store)
	}
	// The proxy that counts takes a good part of a processor, so the collection that is timed does without it.
	took, err := collect(engine.address)
	if err != nil {
		return err
	}
	figures[scaleGCBucket] = float64(b.dead) / (took - scaleSettle.Seconds())
	counts, err := counter.during(func() error {
		_, err := collect(counter.address)
		return err
	})
	if err != nil {
		return err
	}
	requests := 0
	for _, count := range counts {
		requests += count
	}
	figures[scaleRequests] = float64(requests) / float64(b.dead)
	return nil
}

// noneLeft returns an error if a store still has a blob.
func noneLeft(root string) error {
	left, err := filepath.Glob(filepath.Join(root, "docker", "registry", "v2", "blobs", "sha256", "*", "*", "data"))
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%d dead blobs are left", len(left))
	}
	return err
}

// layout writes files as distribution lays them out, which is far quicker than pushing.
type layout struct{ root string }

func (l layout) write(path, content string) error {
	path = filepath.Join(l.root, "docker", "registry", "v2", filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	return nil
}

// blob writes the data of a blob and returns its digest without the algorithm.
func (l layout) blob(content string) (string, error) {
	sum := sha256.Sum256([]byte(content))
	digest := hex.EncodeToString(sum[:])
	return digest, l.write("blobs/sha256/"+digest[:2]+"/"+digest+"/data", content)
}

func (l layout) layer(repository, content string) error {
	digest, err := l.blob(content)
	if err != nil {
		return err
	}
	return l.write("repositories/"+repository+"/_layers/sha256/"+digest+"/link", "sha256:"+digest)
}

func (l layout) manifest(repository, tag, content string) error {
	digest, err := l.blob(content)
	if err != nil {
		return err
	}
	manifests, link := "repositories/"+repository+"/_manifests/", "sha256:"+digest
	return errors.Join(
		l.write(manifests+"revisions/sha256/"+digest+"/link", link),
		l.write(manifests+"tags/"+tag+"/current/link", link),
		l.write(manifests+"tags/"+tag+"/index/sha256/"+digest+"/link", link),
	)
}

// fillStore writes blobs, each linked in one of some repositories.
func fillStore(ctx context.Context, root string, blobs int) error {
	disk := layout{root: root}
	return parallel(ctx, 4, blobs, 0, func(_ context.Context, number int) error {
		return disk.layer(fmt.Sprintf("full/r%06d", number%repositoriesOf(blobs)), "blob "+strconv.Itoa(number))
	})
}
