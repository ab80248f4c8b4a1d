package s3

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/storagetest"
)

// crowded is a bucket with many blobs: images with and without a tag, loose blobs, some of them in several repositories. Everything is older
// than the window but the last few.
func crowded(t *testing.T) (b *memoryBucket, open func(change func(*Store)) *Store) {
	t.Helper()
	b = newMemoryBucket()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	b.clock = func() time.Time { return now }
	open = func(change func(*Store)) *Store {
		s := openMemory(t, b, func(o *Options) { o.Now, o.Settle = b.clock, 2*time.Millisecond })
		t.Cleanup(func() { _ = s.Close() })
		change(s)
		return s
	}
	s := open(func(*Store) {})
	for i := range 60 {
		image := storagetest.NewImage(t, fmt.Sprint("image ", i), nil)
		repo := fmt.Sprintf("team-%d/app", i%5)
		if i%3 == 0 {
			image.Push(t, s, repo)
		} else {
			image.Push(t, s, repo, fmt.Sprint("v", i))
		}
		if i%10 == 0 {
			image.Push(t, s, "mirror", fmt.Sprint("v", i))
		}
	}
	// Written as they lie in the bucket, which is quicker.
	for i := range 2000 {
		content := []byte(fmt.Sprint("loose ", i))
		d := digest.FromBytes(content)
		b.set(blobKey(d), content)
		b.set(layerLink(fmt.Sprintf("team-%d/app", i%7), d), []byte(d))
		if i%100 == 0 {
			b.set(layerLink("mirror", d), []byte(d))
		}
	}
	now = now.Add(48 * time.Hour)
	storagetest.PushBlob(t, s, "mirror", []byte("young"))
	return b, open
}

// little makes a store hold next to nothing in memory.
func little(s *Store) { s.mostFacts, s.mostSwept = 20*factWeight, 100 }

func TestASurveyHoldsLittleInMemory(t *testing.T) {
	b, open := crowded(t)
	plenty, s := open(func(*Store) {}), open(little)
	for name, v := range map[string]*survey{
		"collection": {o: storage.CollectOptions{Window: window}},
		"untagged":   {o: storage.CollectOptions{Window: window, Untagged: time.Hour}},
		"usage":      {o: storage.CollectOptions{Window: window}, tally: &tally{numbers: map[string]int32{}}},
	} {
		like := func(tally *tally) *survey { return &survey{o: v.o, tally: tally} }
		var tallied, talliedToo *tally
		if v.tally != nil {
			tallied, talliedToo = &tally{numbers: map[string]int32{}}, &tally{numbers: map[string]int32{}}
		}
		all, err := plenty.survey(t.Context(), like(tallied))
		if err != nil {
			t.Fatal(err)
		}
		some, err := s.survey(t.Context(), like(talliedToo))
		if err != nil {
			t.Fatal(err)
		}
		// What one manifest refers to comes at once.
		if some.facts.peak > s.mostFacts+10*factWeight || len(some.facts.runs) < 50 || all.facts.peak < 2000*factWeight {
			t.Errorf("%s: up to %d bytes in memory, %d runs in the bucket; without a bound %d bytes", name, some.facts.peak, len(some.facts.runs), all.facts.peak)
		}
		want, last := map[digest.Digest]fact{}, digest.Digest("")
		collect := func(into map[digest.Digest]fact) func(d digest.Digest, f *fact) error {
			last = ""
			return func(d digest.Digest, f *fact) error {
				if d <= last {
					t.Errorf("%s comes after %s", d, last)
				}
				last = d
				into[d] = *f
				return nil
			}
		}
		if err := all.each(t.Context(), collect(want)); err != nil {
			t.Fatal(err)
		}
		got := map[digest.Digest]fact{}
		if err := some.each(t.Context(), collect(got)); err != nil {
			t.Fatal(err)
		}
		if !maps.EqualFunc(want, got, func(a, b fact) bool {
			return a.size == b.size && a.data.Equal(b.data) && a.link.Equal(b.link) && a.live == b.live && a.manifest == b.manifest && len(a.holders) == len(b.holders)
		}) || len(want) < 2000 {
			t.Errorf("%s: %d and %d facts differ", name, len(want), len(got))
		}
		some.close(t.Context())
		all.close(t.Context())
	}
	if left := b.keys(spillDir); len(left) > 0 {
		t.Errorf("left behind: %d objects", len(left))
	}
}

// TestCollectionsOfAnySizeAgree collects the same bucket with and without bounds that matter.
func TestCollectionsOfAnySizeAgree(t *testing.T) {
	b, open := crowded(t)
	o := storage.CollectOptions{Untagged: time.Hour}
	plain := maps.Clone(b.objects)
	run := func(change func(*Store)) (storage.CollectReport, map[digest.Digest]storage.Verdict, map[string]memoryObject) {
		b.objects = maps.Clone(plain)
		s := open(change)
		r, verdicts := collect(t, s, o)
		r.Problems = nil
		left := maps.Clone(b.objects)
		maps.DeleteFunc(left, func(key string, _ memoryObject) bool { return !strings.HasPrefix(key, theirs) })
		if spilled := b.keys(spillDir); len(spilled) > 0 {
			t.Errorf("left behind: %d objects", len(spilled))
		}
		return r, verdicts, left
	}
	want, wantVerdicts, wantLeft := run(func(*Store) {})
	got, gotVerdicts, gotLeft := run(little)
	if fmt.Sprint(got) != fmt.Sprint(want) || want.BlobsRemoved < 2000 || want.ManifestsRemoved != 20 || want.BlobsKept < 100 {
		t.Errorf("%+v, want %+v", got, want)
	}
	if len(gotVerdicts) != len(wantVerdicts) {
		t.Errorf("%d verdicts, want %d", len(gotVerdicts), len(wantVerdicts))
	}
	for d, v := range wantVerdicts {
		if g := gotVerdicts[d]; g.Removed != v.Removed || g.Reason != v.Reason {
			t.Errorf("%+v, want %+v", g, v)
		}
	}
	for key := range wantLeft {
		if _, ok := gotLeft[key]; !ok {
			t.Errorf("%s is gone", key)
		}
	}
	if len(gotLeft) != len(wantLeft) {
		t.Errorf("%d objects are left, want %d", len(gotLeft), len(wantLeft))
	}
	// What a dry run says and what measures agree as well.
	b.objects = maps.Clone(plain)
	before := len(b.objects)
	dry, _ := collect(t, open(func(s *Store) { s.mostFacts = 20 * factWeight }), storage.CollectOptions{Untagged: time.Hour, DryRun: true})
	if dry.BlobsRemoved+dry.ManifestsRemoved < 2000 || len(b.keys(theirs)) != len(keysBelow(plain, theirs)) {
		t.Errorf("dry: %+v, %d objects before, %d after", dry, before, len(b.objects))
	}
	usage := func(change func(*Store)) string {
		u, err := open(change).Usage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%+v", u)
	}
	if a, b := usage(func(*Store) {}), usage(little); a != b {
		t.Errorf("usage\n%s\n%s", a, b)
	}
}

func keysBelow(objects map[string]memoryObject, prefix string) (keys []string) {
	for key := range objects {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	return keys
}

// TestALostRunEndsTheCollection takes away, cuts and breaks what a survey put away: nothing may be deleted on the strength of what is left.
func TestALostRunEndsTheCollection(t *testing.T) {
	b, open := crowded(t)
	for name, spoil := range map[string]func(key string){
		"gone": func(key string) { delete(b.objects, key) },
		"cut":  func(key string) { b.set(key, b.objects[key].body[:30]) },
	} {
		s := open(little)
		before := len(b.keys(theirs))
		spoiled := false
		b.before = func(_ context.Context, verb, key string) error {
			if verb == "get" && strings.HasPrefix(key, spillDir) && !spoiled {
				spoiled = true
				b.mu.Lock()
				defer b.mu.Unlock()
				spoil(key)
			}
			return nil
		}
		_, err := s.Collect(t.Context(), storage.CollectOptions{}, nil)
		b.before = nil
		if err == nil || len(b.keys(theirs)) != before || !spoiled {
			t.Errorf("%s: %v, %d objects before, %d after", name, err, before, len(b.keys(theirs)))
		}
		if left := b.keys(spillDir); len(left) > 0 {
			t.Errorf("%s: left behind: %d objects", name, len(left))
		}
	}
	full := errors.New("full")
	s := open(little)
	b.before = func(_ context.Context, verb, key string) error {
		if verb == "put" && strings.HasPrefix(key, spillDir) {
			return full
		}
		return nil
	}
	if _, err := s.Collect(t.Context(), storage.CollectOptions{}, nil); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
}

func FuzzFact(f *testing.F) {
	f.Add([]byte{})
	f.Add((&fact{live: true, link: time.Unix(5, 6), links: []string{"a", ""}, holders: []int32{1, 70000}}).encode(nil, digest.FromBytes(nil)))
	f.Fuzz(func(t *testing.T, content []byte) {
		b := newMemoryBucket()
		etag := b.set("run", content)
		r := &runReader{ctx: t.Context(), b: b, o: object{key: "run", etag: etag, size: int64(len(content))}, piece: 7}
		for !r.ended() && r.err == nil {
			d, got, err := decodeFact(r)
			if err != nil {
				break
			}
			again := &runReader{ctx: t.Context(), b: b, piece: 1000}
			again.left = got.encode(nil, d)
			again.o.size = int64(len(again.left))
			again.at = again.o.size
			e, same, err := decodeFact(again)
			if err != nil || e != d || fmt.Sprint(*same) != fmt.Sprint(*got) {
				t.Errorf("%v %v, %v", e, same, err)
			}
		}
	})
}

// TestASecondSurveyReadsWhatChanged surveys twice: manifests of repositories that have not changed are not read again, those of others are.
func TestASecondSurveyReadsWhatChanged(t *testing.T) {
	b := newMemoryBucket()
	s := newStoreOn(b)
	same, old, added := storagetest.NewImage(t, "same", nil), storagetest.NewImage(t, "old", nil), storagetest.NewImage(t, "added", nil)
	same.Push(t, s, "same", "v1")
	old.Push(t, s, "changed", "v1")
	look := func(earlier *survey) (*survey, map[digest.Digest]bool) {
		v := &survey{o: storage.CollectOptions{Window: window}, earlier: earlier}
		v, err := newStoreOn(b).survey(t.Context(), v)
		if err != nil {
			t.Fatal(err)
		}
		live := map[digest.Digest]bool{}
		if err := v.each(t.Context(), func(d digest.Digest, f *fact) error { live[d] = f.live; return nil }); err != nil {
			t.Fatal(err)
		}
		return v, live
	}
	first, live := look(nil)
	if !live[digest.FromBytes(same.Layer)] || !live[digest.FromBytes(old.Layer)] {
		t.Errorf("first: %v", live)
	}
	added.Push(t, s, "changed", "v2")
	before := b.counts["get"]
	_, live = look(first)
	if n := b.counts["get"] - before; n != 2 {
		t.Errorf("%d manifests were read again, want those of the repository that changed", n)
	}
	for _, d := range []digest.Digest{same.Digest, old.Digest, added.Digest, digest.FromBytes(old.Layer), digest.FromBytes(added.Layer)} {
		if !live[d] {
			t.Errorf("%s is not live", d)
		}
	}
}
