package filesystem_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/storagetest"
)

var barriers = []string{filesystem.BarrierFiles, filesystem.BarrierAuto}

// numbered makes contents that differ.
func numbered(size int, n uint64) []byte {
	b := make([]byte, size)
	copy(b, fmt.Sprintf("%020d", n))
	return b
}

func BenchmarkPushBlob(b *testing.B) {
	for _, barrier := range barriers {
		for _, size := range []int{1 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("%s/%dKiB", barrier, size>>10), func(b *testing.B) {
				s := open(b, filesystem.Options{Root: b.TempDir(), Barrier: barrier})
				defer s.Close()
				repo := storagetest.Repo(b, "team/a")
				var n atomic.Uint64
				b.SetBytes(int64(size))
				b.SetParallelism(4)
				b.RunParallel(func(p *testing.PB) {
					for p.Next() {
						if err := storagetest.TryBlob(s, repo, numbered(size, n.Add(1))); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}

func BenchmarkPushLargeBlob(b *testing.B) {
	const size = 100 << 20
	s := open(b, filesystem.Options{Root: b.TempDir()})
	defer s.Close()
	repo := storagetest.Repo(b, "team/a")
	b.SetBytes(size)
	for n := range b.N {
		b.StopTimer()
		content := numbered(size, uint64(n))
		d := digest.FromBytes(content)
		b.StartTimer()
		if err := s.PutBlob(context.Background(), storage.Owner{Repository: repo}, d, onlyReader{bytes.NewReader(content)}, size); err != nil {
			b.Fatal(err)
		}
	}
}

type onlyReader struct{ io.Reader }

func BenchmarkPushArtifact(b *testing.B) {
	for _, barrier := range barriers {
		b.Run(barrier, func(b *testing.B) {
			s := open(b, filesystem.Options{Root: b.TempDir(), Barrier: barrier})
			defer s.Close()
			var n atomic.Uint64
			b.SetParallelism(4)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					i := n.Add(1)
					image := storagetest.NewImage(b, fmt.Sprint(i), nil)
					if err := image.TryPush(b, s, "team/a", fmt.Sprint("v", i)); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func BenchmarkReads(b *testing.B) {
	ctx := context.Background()
	s := open(b, filesystem.Options{Root: b.TempDir()})
	defer s.Close()
	image := storagetest.NewImage(b, "one", nil)
	image.Push(b, s, "team/a", "v1")
	repo, tag, layer := storagetest.Repo(b, "team/a"), storagetest.Tag(b, "v1"), digest.FromBytes(image.Layer)
	b.Run("manifest by tag", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d, err := s.ResolveTag(ctx, repo, tag)
			if err == nil {
				_, err = s.GetManifest(ctx, repo, d, false)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("stat blob", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.StatBlob(ctx, repo, layer, false); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open blob", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			blob, err := s.OpenBlob(ctx, repo, layer)
			if err != nil {
				b.Fatal(err)
			}
			blob.Close()
		}
	})
}

func BenchmarkListings(b *testing.B) {
	ctx := context.Background()
	for _, total := range []int{1000, 10_000} {
		s := filled(b, total)
		b.Run(fmt.Sprintf("catalogue/100 of %d", total), func(b *testing.B) {
			for b.Loop() {
				if page, _, err := s.Repositories(ctx, "r00500", 100, nil); err != nil || len(page) != 100 {
					b.Fatal(len(page), err)
				}
			}
		})
		b.Run(fmt.Sprintf("tags/100 of %d", total), func(b *testing.B) {
			for b.Loop() {
				if page, _, err := s.Tags(ctx, storagetest.Repo(b, "tags"), "t00500", 100); err != nil || len(page) != 100 {
					b.Fatal(len(page), err)
				}
			}
		})
		b.Run(fmt.Sprintf("tags/all %d", total), func(b *testing.B) {
			for b.Loop() {
				if page, _, err := s.Tags(ctx, storagetest.Repo(b, "tags"), "", total); err != nil || len(page) != total {
					b.Fatal(len(page), err)
				}
			}
		})
	}
}

// filled makes a store with many repositories, and one with many tags, on a disk that does not wait.
func filled(tb testing.TB, total int) *filesystem.Store {
	tb.Helper()
	root := tb.TempDir()
	s := open(tb, filesystem.Options{Root: root})
	tb.Cleanup(func() { s.Close() })
	image := storagetest.NewImage(tb, "one", nil)
	image.Push(tb, s, "tags", "t00000")
	fill(tb, root, total, image.Digest)
	if _, err := s.Reindex(context.Background()); err != nil {
		tb.Fatal(err)
	}
	return s
}

// BenchmarkBareFile is what the disk gives: a file and its directory synced, nothing else. Pushes are to be compared with it in the same run.
func BenchmarkBareFile(b *testing.B) {
	root := b.TempDir()
	var n atomic.Uint64
	b.SetParallelism(4)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if err := bareFile(root, n.Add(1)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func bareFile(root string, n uint64) error {
	f, err := os.Create(filepath.Join(root, fmt.Sprint(n)))
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(numbered(1<<10, n)); err != nil {
		return err
	}
	dir, err := os.Open(root)
	if err != nil {
		return err
	}
	defer dir.Close()
	return errors.Join(f.Sync(), dir.Sync())
}
