package main

import (
	"context"
)

// scenarios are measured in this order.
func scenarios(o options) []scenario {
	all := append(reads(), pushes()...)
	all = append(all, listings(o)...)
	return append(all, overBucket()...)
}

// get is an operation that reads one path.
func get(path string) func(context.Context, *target, int, blob) error {
	return func(ctx context.Context, t *target, _ int, _ blob) error {
		_, err := t.do(ctx, request{method: "GET", path: path})
		return err
	}
}

func reads() []scenario {
	all := []scenario{
		{name: "ping", kind: smallRead, bare: true, operate: get("/v2/")},
		{
			name: "manifest by tag", kind: smallRead, operate: get("/v2/read/app/manifests/v1"),
			prepare: func(ctx context.Context, t *target) error {
				return t.pushArtifact(ctx, "read/app", "v1", sharedBlob(kib))
			},
		},
	}
	for _, get := range []struct {
		name    string
		kind    kind
		unit    string
		size    int
		clients int
		most    int
	}{
		{"blob get 1 KiB", smallRead, perSecond, kib, 0, 0},
		{"blob get 1 MiB", blobRead, perSecond, mib, 0, 0},
		{"blob get 100 MiB", blobRead, megabytes, 100 * mib, 4, 40},
	} {
		content := sharedBlob(get.size)
		all = append(all, scenario{
			name: get.name, kind: get.kind, unit: get.unit, size: get.size, clients: get.clients, most: get.most, bare: true,
			prepare: func(ctx context.Context, t *target) error { return t.placeBlob(ctx, "read/app", content) },
			operate: func(ctx context.Context, t *target, _ int, _ blob) error { return t.pullBlob(ctx, "read/app", content) },
		})
	}
	return all
}

func pushes() []scenario {
	var all []scenario
	for _, push := range []struct {
		name    string
		unit    string
		size    int
		clients int
		most    int
	}{
		{"blob push 1 KiB", perSecond, kib, 0, 6000},
		{"blob push 1 MiB", perSecond, mib, 0, 1500},
		{"blob push 100 MiB", megabytes, 100 * mib, 2, 6},
	} {
		all = append(all, scenario{
			name: push.name, kind: blobPush, unit: push.unit, size: push.size, clients: push.clients,
			bodies:  func(t *target) []blob { return t.newBlobs(push.most, push.size) },
			operate: func(ctx context.Context, t *target, _ int, own blob) error { return t.pushBlob(ctx, "push/app", own) },
		})
	}
	const pullsToAPush = 4
	content := sharedBlob(mib)
	return append(
		all,
		scenario{
			name: "artifact push 1 MiB", kind: artifactPush,
			bodies: func(t *target) []blob { return t.newBlobs(1000, mib) },
			operate: func(ctx context.Context, t *target, _ int, own blob) error {
				return t.pushArtifact(ctx, "push/artifact", ownTag(own), own)
			},
		},
		scenario{
			name: "mixed, 4 pulls to 1 push", kind: mixed,
			prepare: func(ctx context.Context, t *target) error { return t.pushArtifact(ctx, "mixed/app", "v1", content) },
			bodies: func(t *target) []blob {
				bodies := make([]blob, 4000)
				for i := pullsToAPush; i < len(bodies); i += pullsToAPush + 1 {
					bodies[i] = t.newBlob(mib)
				}
				return bodies
			},
			operate: func(ctx context.Context, t *target, _ int, own blob) error {
				if own.digest == "" {
					return t.pullArtifact(ctx, "mixed/app", "v1", configOf(content), content)
				}
				return t.pushArtifact(ctx, "mixed/app", ownTag(own), own)
			},
		},
	)
}

// ownTag is a tag for one blob.
func ownTag(own blob) string { return "v" + own.digest[len("sha256:"):][:20] }

// overBucket are scenarios that show what a bucket costs.
func overBucket() []scenario {
	const large = 64 * mib
	artifact, content := sharedBlob(mib), sharedBlob(large)
	return []scenario{
		{
			name: "artifact pull 1 MiB", kind: bucketWork,
			prepare: func(ctx context.Context, t *target) error {
				return t.pushArtifact(ctx, "pull/artifact", "v1", artifact)
			},
			operate: func(ctx context.Context, t *target, _ int, _ blob) error {
				return t.pullArtifact(ctx, "pull/artifact", "v1", configOf(artifact), artifact)
			},
		},
		{
			name: "blob get 64 MiB", kind: bucketWork, unit: megabytes, size: large,
			prepare: func(ctx context.Context, t *target) error { return t.pushBlob(ctx, "pull/large", content) },
			operate: func(ctx context.Context, t *target, _ int, _ blob) error {
				return t.pullBlob(ctx, "pull/large", content)
			},
		},
		{
			name: "blob push 64 MiB", kind: bucketWork, unit: megabytes, size: large,
			bodies:  func(t *target) []blob { return t.newBlobs(16, large) },
			operate: func(ctx context.Context, t *target, _ int, own blob) error { return t.pushBlob(ctx, "push/large", own) },
		},
	}
}
