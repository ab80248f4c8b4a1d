package s3

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"packhouse/server/config"
	"packhouse/server/storage"
	"packhouse/server/storage/storagetest"
)

// TestMain runs the tests without the CA bundle of the machine, which every client would parse.
func TestMain(m *testing.M) {
	_ = os.Unsetenv("AWS_CA_BUNDLE")
	os.Exit(m.Run())
}

// openMemory opens a store over a bucket in memory, and waits for the work of its start: tests count requests and hold them up, and mean theirs.
func openMemory(t testing.TB, b *memoryBucket, change func(*Options)) *Store {
	t.Helper()
	o := Options{
		Config: config.S3Storage{Bucket: "b", ChunkSize: smallestChunk}, Settle: 120 * time.Millisecond, Log: testLog(t),
	}
	if change != nil {
		change(&o)
	}
	s, err := openBucket(t.Context(), b, o)
	if err != nil {
		t.Fatal(err)
	}
	s.life.background.Wait()
	return s
}

func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func TestContract(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Store { return openMemory(t, newMemoryBucket(), nil) })
}
