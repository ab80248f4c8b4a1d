package filesystem_test

import (
	"context"
	"path"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage/disk"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"
)

// misplace puts a directory with a file in it, or a file, where name is or would be.
func misplace(t *testing.T, d disk.Disk, name string, dir bool) {
	t.Helper()
	removeAll(d, name)
	for at := range strings.Split(name, "/") {
		_ = d.Mkdir(strings.Join(strings.Split(name, "/")[:at], "/"))
	}
	if dir {
		if err := d.Mkdir(name); err != nil {
			t.Fatal(err)
		}
		name += "/something"
	}
	f, err := d.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.Write([]byte("misplaced"))
	_ = f.Close()
}

func removeAll(d disk.Disk, name string) {
	var below []string
	_ = d.List(name, func(e disk.Entry) error { below = append(below, e.Name); return nil })
	for _, e := range below {
		removeAll(d, name+"/"+e)
	}
	_ = d.Remove(name)
}

// TestMisplacedNamesHeal takes each name that a push writes, and each directory above it, by something of the
// wrong type, before the first push and after it: pushing again heals it, in the running store and after a
// restart, and what was in the way is kept in quarantine.
func TestMisplacedNamesHeal(t *testing.T) {
	subject := storagetest.NewImage(t, "subject", nil)
	image := storagetest.NewImage(t, "one", subject)
	const repo = "docker/registry/v2/repositories/team/a"
	tag := repo + "/_manifests/tags/v1"
	index := tag + "/index/sha256/" + image.Digest.Encoded()
	files := []string{
		dataName(image.Digest), dataName(digest.FromBytes(image.Layer)),
		repo + "/_layers/sha256/" + digest.FromBytes(image.Layer).Encoded() + "/link",
		repo + "/_manifests/revisions/sha256/" + image.Digest.Encoded() + "/link",
		tag + "/current/link", index + "/link",
		"packhouse/v1/index/repositories",
		"packhouse/v1/refs/team)a/" + strings.Replace(string(subject.Digest), ":", "-", 1) + "/" + strings.Replace(string(image.Digest), ":", "-", 1),
	}
	places := map[string]bool{"packhouse/v1/stage": false} // true: a directory is put there
	for _, f := range files {
		places[f] = true
		for dir := path.Dir(f); strings.Count(dir, "/") > 3 || strings.HasPrefix(dir, "packhouse/v1/"); dir = path.Dir(dir) {
			places[dir] = false
		}
	}
	for place, dir := range places {
		for _, barrier := range []string{filesystem.BarrierAuto, filesystem.BarrierFiles} {
			for _, when := range []string{"before", "after", "restarted"} {
				synctest.Test(t, func(t *testing.T) {
					memory := inmemory.NewDisk(inmemory.DiskOptions{Durability: true, Journaling: true, Boot: "first"})
					start := func() *filesystem.Store {
						s, err := filesystem.OpenDisk(context.Background(), memory, filesystem.Options{Journal: smallJournal, Barrier: barrier})
						if err != nil {
							t.Fatal(err)
						}
						storagetest.PushBlob(t, s, "team/started", []byte("x"))
						return s
					}
					s := start()
					if when != "before" {
						subject.Push(t, s, "team/a")
						image.Push(t, s, "team/a", "v1")
						settled()
					}
					if when == "restarted" {
						closing(t, s)
					}
					misplace(t, memory, place, dir)
					if when == "restarted" {
						s = start()
					}
					subject.Push(t, s, "team/a")
					image.Push(t, s, "team/a", "v1")
					subject.Check(t, s, "team/a")
					image.Check(t, s, "team/a", "v1")
					if list, err := s.Referrers(context.Background(), storagetest.Repo(t, "team/a"), subject.Digest); err != nil || len(list) != 1 {
						t.Errorf("referrers: %v, %v", list, err)
					}
					// What a push does not change it does not write: the name of a known repository, the history of a tag.
					written := when == "before" || when == "restarted" && !strings.HasPrefix(place, tag+"/index") ||
						when == "after" && !strings.HasPrefix(place, tag+"/index") && !strings.HasPrefix(place, "packhouse/v1/index")
					if names := filesBelow(t, memory, "packhouse/v1/quarantine"); written && len(names) == 0 {
						t.Error("what was in the way is gone")
					}
					survives(t, memory, image, "team/a", "v1")
					closing(t, s)
					if t.Failed() {
						t.Errorf("place %s, %s, %s", place, barrier, when)
					}
				})
			}
		}
	}
}

// TestReplayHealsMisplacedNames replays over a directory where a blob's data belongs.
func TestReplayHealsMisplacedNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched()
		s := w.open(t)
		image := storagetest.NewImage(t, "one", nil)
		image.Push(t, s, "team/a", "v1")
		cut := w.PowerCut(nil, "second")
		misplace(t, cut, dataName(digest.FromBytes(image.Layer)), true)
		misplace(t, cut, "packhouse/v1/index/repositories", true)
		misplace(t, cut, tagsOfA, false)
		again := reopen(t, cut)
		image.Check(t, again, "team/a", "v1")
		closing(t, again)
		closing(t, s)
	})
}
