package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Small reads while hundreds of clients upload without a pause, from another process.
const (
	overloadP50  = "manifest by tag, median"
	overloadP99  = "manifest by tag, 99 of 100"
	overloadPeak = "peak memory"

	overloadUploads = 500
	overloadWarmUp  = 3 * time.Second
	overloadReads   = 1000
	overloadPause   = 5 * time.Millisecond // between two reads
	overloadSize    = 64 * mib
)

func overloadNames(options) []string { return []string{overloadP50, overloadP99, overloadPeak} }

// uploadCommand makes this program upload until it is killed: BASE REPOSITORY.
const uploadCommand = "upload-without-end"

// uploadForever uploads blobs, each over a connection of its own and under a digest that it does not
// have, so that the disk does not fill.
func uploadForever(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: %s BASE REPOSITORY", uploadCommand)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: overloadUploads}}
	target := args[0] + "/v2/" + args[1] + "/blobs/uploads/?digest=sha256:" + fmt.Sprintf("%064d", 0)
	for range overloadUploads {
		go func() {
			for {
				r, err := http.NewRequest(http.MethodPost, target, io.LimitReader(zeros{}, overloadSize))
				if err != nil {
					return
				}
				r.ContentLength = overloadSize
				if a, err := client.Do(r); err == nil {
					_, _ = io.Copy(io.Discard, a.Body)
					_ = a.Body.Close()
				}
			}
		}()
	}
	select {}
}

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// measureOverload reads a manifest again and again beside the uploads.
func measureOverload(ctx context.Context, b *bench, wanted []string) error {
	b.report.columns = slices.DeleteFunc(slices.Clone(b.peers), func(p peer) bool { return p.bare })
	title := fmt.Sprintf("Reads beside %d uploads at once, plain HTTP", overloadUploads)
	b.report.heading(title, append(b.report.names(), "to the best", "target")...)
	figures := map[string][]float64{}
	for i, p := range b.report.columns {
		took, peak, err := overload(ctx, b, p, filepath.Join(b.dir, "overload", strconv.Itoa(i)))
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		figures[overloadP50] = append(figures[overloadP50], took[len(took)/2].Seconds()*thousand)
		figures[overloadP99] = append(figures[overloadP99], took[len(took)*99/100].Seconds()*thousand)
		figures[overloadPeak] = append(figures[overloadPeak], peak)
	}
	for _, name := range wanted {
		unit := millis
		if name == overloadPeak {
			unit = "MiB"
		}
		var cells []string
		for _, f := range figures[name] {
			cells = append(cells, number(f))
		}
		b.report.figures("overload", name, unit, figures[name], cells)
	}
	return nil
}

// overload returns the times of the reads, sorted, and the peak memory of the server in MiB.
func overload(ctx context.Context, b *bench, p peer, dir string) ([]time.Duration, float64, error) {
	t, err := p.start(ctx, place{dir: dir}, b.clients)
	if err != nil {
		return nil, 0, err
	}
	defer t.stop()
	if err := t.pushArtifact(ctx, "overload/read", "v1", sharedBlob(kib)); err != nil {
		return nil, 0, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, 0, err
	}
	uploads := exec.CommandContext(ctx, self, uploadCommand, t.base, "overload/write")
	if err := uploads.Start(); err != nil {
		return nil, 0, err
	}
	end := sync.OnceFunc(func() {
		_ = uploads.Process.Kill()
		_ = uploads.Wait()
	})
	defer end()
	time.Sleep(overloadWarmUp)
	var took []time.Duration
	for range overloadReads {
		began := time.Now()
		if _, err := t.do(ctx, request{method: http.MethodGet, path: "/v2/overload/read/manifests/v1"}); err != nil {
			return nil, 0, err
		}
		took = append(took, time.Since(began))
		time.Sleep(overloadPause)
	}
	if len(took) == 0 {
		return nil, 0, errors.New("no read was answered")
	}
	peak, _ := t.resident()
	slices.Sort(took)
	return took, peak, nil
}
