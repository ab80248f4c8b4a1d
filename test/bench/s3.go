package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	s3Key    = "bench"
	s3Secret = "made for measuring only"
	s3Bucket = "bench"
)

// s3Engine is versitygw over a directory, with an empty bucket.
type s3Engine struct {
	address string
	dir     string
	cmd     *exec.Cmd
	done    chan struct{}
}

// startS3Engine starts an engine, or returns none where it is not installed.
func startS3Engine(ctx context.Context, o options) (*s3Engine, error) {
	program, err := find(filepath.Join(o.tools, "versitygw"))
	if err != nil || program == "" {
		return nil, err
	}
	e := &s3Engine{dir: filepath.Join(o.dir, "engine"), done: make(chan struct{})}
	// On this engine a bucket is a directory.
	if err := os.MkdirAll(filepath.Join(e.dir, s3Bucket), 0o755); err != nil {
		return nil, fmt.Errorf("make bucket: %w", err)
	}
	if e.address, err = freeAddress(); err != nil {
		return nil, err
	}
	e.cmd = exec.CommandContext(ctx, program, "--port", e.address, "posix", e.dir)
	e.cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s3Key, "ROOT_SECRET_KEY="+s3Secret)
	if err := e.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start versitygw: %w", err)
	}
	go func() {
		_ = e.cmd.Wait()
		close(e.done)
	}()
	for started := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		response, err := http.Get("http://" + e.address + "/")
		if err == nil {
			response.Body.Close()
			return e, nil
		}
		if time.Since(started) > 20*time.Second {
			e.stop()
			return nil, fmt.Errorf("start versitygw: %w", err)
		}
	}
}

// stop ends the engine and removes what it stored.
func (e *s3Engine) stop() {
	_ = e.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-e.done:
	case <-time.After(2 * time.Second):
		_ = e.cmd.Process.Kill()
		<-e.done
	}
	_ = os.RemoveAll(e.dir)
}
