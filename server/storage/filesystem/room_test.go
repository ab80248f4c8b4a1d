package filesystem_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/disk"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"
)

// small is a disk that says how much it has left.
type small struct {
	disk.Disk
	free atomic.Int64
}

func (d *small) Space() (disk.Space, error) {
	return disk.Space{FreeBytes: d.free.Load(), TotalBytes: 1000 << 10, FreeInodes: -1}, nil
}

// stalling is a body that tells when it is asked for more than it has, and then ends when it is let.
type stalling struct {
	io.Reader
	asked, end chan struct{}
}

func (r *stalling) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n == 0 {
		close(r.asked)
		<-r.end
	}
	return n, err
}

// TestWhatIsWrittenIsNotSetAsideAnyMore pushes beside a body that is nearly in: what it took is missing on the disk already.
func TestWhatIsWrittenIsNotSetAsideAnyMore(t *testing.T) {
	ctx, d := context.Background(), &small{Disk: inmemory.NewDisk(inmemory.DiskOptions{})}
	d.free.Store(1000 << 10)
	s, err := filesystem.OpenDisk(ctx, d, filesystem.Options{HeadRoom: 100 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, s)
	o := storage.Owner{Repository: storagetest.Repo(t, "a")}
	push := func(body io.Reader, content []byte) error {
		return s.PutBlob(ctx, o, digest.FromBytes(content), body, int64(len(content)))
	}
	for name, c := range map[string]struct {
		came int
		free int64
		want error
	}{"none came": {0, 1000 << 10, storage.ErrFull}, "all came": {640 << 10, 360 << 10, nil}} {
		d.free.Store(1000 << 10)
		content := bytes.Repeat([]byte("x"), 640<<10)
		body := &stalling{bytes.NewReader(content[:c.came]), make(chan struct{}), make(chan struct{})}
		ended := make(chan error, 1)
		go func() { ended <- push(body, content) }()
		<-body.asked
		d.free.Store(c.free)
		second := []byte(name + string(content[:300<<10]))
		if c.want == nil {
			second = second[:200<<10]
		}
		if err := push(bytes.NewReader(second), second); !errors.Is(err, c.want) {
			t.Errorf("%s: beside a push of 640 KiB, one of %d: %v", name, len(second), err)
		}
		close(body.end)
		<-ended
	}
}
