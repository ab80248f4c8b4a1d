package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// What is in the bucket where pages are counted.
const (
	bucketRepositories = 250
	bucketTags         = 250
)

// s3Step is something whose requests to S3 are counted. The serial is another
// one each time.
type s3Step struct {
	name string
	// newcomer lets a process do it that has seen nothing of the content.
	newcomer bool
	// prepare brings about what the step needs, uncounted.
	prepare func(ctx context.Context, t *target, serial int) error
	do      func(ctx context.Context, t *target, serial int) error
}

// bucketImage is the image of a serial: a config and two layers.
func bucketImage(t *target, serial int) (config blob, layers []blob, manifest string) {
	layers = []blob{makeBlob(mib, t.name+" base", serial), makeBlob(64*kib, t.name+" top", serial)}
	config = configOf(layers[0])
	return config, layers, manifestOf(config, layers...)
}

// s3Steps are counted in this order, each several times with new content.
func s3Steps() []s3Step {
	const repository = "counted/app"
	imageTag := func(serial int) string { return fmt.Sprintf("image-%d", serial) }
	pushImage := func(ctx context.Context, t *target, serial int) error {
		config, layers, manifest := bucketImage(t, serial)
		for _, b := range append(layers, config) {
			if err := t.pushBlobAsDocker(ctx, repository, b); err != nil {
				return err
			}
		}
		return t.pushManifest(ctx, repository, imageTag(serial), manifest)
	}
	pullImage := func(ctx context.Context, t *target, serial int) error {
		config, layers, _ := bucketImage(t, serial)
		return t.pullArtifact(ctx, repository, imageTag(serial), append(layers, config)...)
	}
	layer := func(t *target, serial int) blob { return makeBlob(mib, t.name+" artifact", serial) }
	large := func(t *target, serial int) blob { return makeBlob(100*mib, t.name+" large", serial) }
	pushLarge := func(ctx context.Context, t *target, serial int) error {
		return t.pushBlob(ctx, repository, large(t, serial))
	}
	page := func(path string) func(context.Context, *target, int) error {
		return func(ctx context.Context, t *target, _ int) error {
			_, err := t.do(ctx, request{method: "GET", path: path})
			return err
		}
	}
	return []s3Step{
		{name: "image push", do: pushImage},
		{name: "image pull, by tag", prepare: pushImage, do: pullImage},
		{
			name: "image pull, by digest", prepare: pushImage,
			do: func(ctx context.Context, t *target, serial int) error {
				config, layers, manifest := bucketImage(t, serial)
				return t.pullArtifact(ctx, repository, digestOf(manifest), append(layers, config)...)
			},
		},
		{name: "image pull, by tag, from a process just started", newcomer: true, prepare: pushImage, do: pullImage},
		{
			name: "artifact push", do: func(ctx context.Context, t *target, serial int) error {
				return t.pushArtifact(ctx, repository, fmt.Sprintf("artifact-%d", serial), layer(t, serial))
			},
		},
		{
			name: "tag moved to another manifest",
			prepare: func(ctx context.Context, t *target, serial int) error {
				return t.pushArtifact(ctx, repository, "moving", layer(t, serial))
			},
			do: func(ctx context.Context, t *target, serial int) error {
				other := layer(t, serial)
				return t.pushManifest(ctx, repository, "moving", manifestOf(other, configOf(other)))
			},
		},
		{name: "manifest HEAD, by tag", prepare: pushImage, do: func(ctx context.Context, t *target, serial int) error {
			_, err := t.do(ctx, request{method: "HEAD", path: "/v2/" + repository + "/manifests/" + imageTag(serial)})
			return err
		}},
		{name: "blob push 100 MiB", do: pushLarge},
		{name: "blob pull 100 MiB", prepare: pushLarge, do: func(ctx context.Context, t *target, serial int) error {
			return t.pullBlob(ctx, repository, large(t, serial))
		}},
		{name: "catalogue, a page of 100 in the middle", prepare: fillBucket, do: page("/v2/_catalog?n=100&last=" + catalogueName(bucketRepositories/2))},
		{name: "tags, a page of 100 in the middle", prepare: fillBucket, do: page("/v2/" + manyTags + "/tags/list?n=100&last=" + tagName(bucketTags/2))},
	}
}

// fillBucket makes the repositories and tags that pages are taken from, once.
func fillBucket(ctx context.Context, t *target, _ int) error {
	o := options{clients: 8, catalogue: bucketRepositories}
	if err := t.fillCatalogue(ctx, o); err != nil {
		return err
	}
	return t.fillTags(ctx, o, manyTags, bucketTags)
}

func s3RequestNames(options) []string {
	var names []string
	for _, step := range s3Steps() {
		names = append(names, step.name)
	}
	return names
}

// countS3Requests counts the requests of every step, for one server after the
// other on the same engine.
func countS3Requests(ctx context.Context, b *bench, wanted []string) error {
	const title = "Requests to S3, without deletions, which are free"
	engine, err := startS3Engine(ctx, b.options)
	if err != nil {
		return err
	}
	if engine == nil {
		b.report.skip(title, "versitygw is not there: test/e2e/tools.sh versitygw builds it")
		return nil
	}
	defer engine.stop()
	counter, err := startS3Counter(engine.address)
	if err != nil {
		return err
	}
	defer counter.stop()
	b.report.columns = slices.DeleteFunc(slices.Clone(b.peers), func(p peer) bool { return !p.s3 })
	counted := make([]map[string]map[string]int, len(b.report.columns)) // by peer and step
	for i, p := range b.report.columns {
		at := place{dir: filepath.Join(b.dir, "s3-requests", p.name), endpoint: counter.address, root: "/" + p.name}
		t, err := p.start(ctx, at, b.clients)
		if err != nil {
			return fmt.Errorf("start %s: %w", p.name, err)
		}
		counted[i], err = countSteps(ctx, b, t, counter, wanted)
		t.stop()
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	b.report.heading(title, append(b.report.names(), "to the best", "target")...)
	for _, name := range wanted {
		figures := make([]float64, len(counted))
		cells := make([]string, len(counted))
		for i := range counted {
			figures[i] = float64(charged(counted[i][name]))
			cells[i] = thousands(int64(figures[i]))
		}
		b.report.figures("s3-requests", name, "requests", figures, cells)
	}
	b.report.heading("Which they are", b.report.names()...)
	for _, name := range wanted {
		cells := []string{name}
		for i := range counted {
			cells = append(cells, inWords(counted[i][name]))
		}
		b.report.cells(cells...)
	}
	fmt.Fprintf(b.report.out, "\nAn image is a config of 200 bytes, layers of 1 MiB and 64 KiB, and a manifest: HEAD, POST, PATCH and PUT for each blob, as docker pushes; "+
		"an artifact has one layer of 1 MiB, by POST and PUT. The pages are taken from %d repositories and %d tags.\n", bucketRepositories, bucketTags)
	return nil
}

// countSteps takes a server through the steps, and returns the counts of the
// round whose total is the median.
func countSteps(ctx context.Context, b *bench, t *target, counter *s3Counter, wanted []string) (map[string]map[string]int, error) {
	// The first push of a process may find out things that later ones know.
	if err := t.pushArtifact(ctx, "counted/warm", "v1", t.newBlob(kib)); err != nil {
		return nil, err
	}
	results := map[string]map[string]int{}
	serial := 0
	for _, step := range s3Steps() {
		if !slices.Contains(wanted, step.name) {
			continue
		}
		var all []map[string]int
		for range b.rounds {
			serial++
			counts, err := step.count(ctx, b, t, counter, serial)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", step.name, err)
			}
			all = append(all, counts)
		}
		slices.SortFunc(all, func(a, b map[string]int) int {
			if d := charged(a) - charged(b); d != 0 {
				return d
			}
			return strings.Compare(inWords(a), inWords(b))
		})
		results[step.name] = all[len(all)/2]
	}
	return results, nil
}

// count takes a server through the step once.
func (s s3Step) count(ctx context.Context, b *bench, t *target, counter *s3Counter, serial int) (map[string]int, error) {
	if s.prepare != nil {
		if err := s.prepare(ctx, t, serial); err != nil {
			return nil, fmt.Errorf("prepare: %w", err)
		}
	}
	if s.newcomer {
		at := t.at
		at.dir += "-newcomer"
		other, err := t.start(ctx, at, b.clients)
		if err != nil {
			return nil, fmt.Errorf("start another process: %w", err)
		}
		defer other.stop()
		t = other
	}
	return counter.during(func() error { return s.do(ctx, t, serial) })
}
