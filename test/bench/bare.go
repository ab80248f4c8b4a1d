package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// bareCommand makes this program a file server and nothing else: what Go can
// hand out at most on this machine, with this client.
const bareCommand = "bare-file-server"

// serveBare serves a directory until the process is ended: ADDRESS DIR, and
// CERTIFICATE KEY for TLS.
func serveBare(args []string) error {
	if len(args) != 2 && len(args) != 4 {
		return fmt.Errorf("usage: %s ADDRESS DIR [CERTIFICATE KEY]", bareCommand)
	}
	files := http.FileServer(http.Dir(args[1]))
	server := &http.Server{
		Addr: args[0], ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v2/" {
				fmt.Fprint(w, "{}")
				return
			}
			files.ServeHTTP(w, r)
		}),
	}
	if len(args) == 4 {
		return server.ListenAndServeTLS(args[2], args[3])
	}
	return server.ListenAndServe()
}

func bareArguments(at place) ([]string, error) {
	if err := os.MkdirAll(at.data, 0o755); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	args := []string{bareCommand, at.address, at.data}
	if at.setting.tls {
		args = append(args, at.certificate.certFile, at.certificate.keyFile)
	}
	return args, nil
}

// placeBlob brings a blob to where it is read: by a push, or as a file for the
// server that takes none.
func (t *target) placeBlob(ctx context.Context, repository string, b blob) error {
	if !t.bare {
		return t.pushBlob(ctx, repository, b)
	}
	path := filepath.Join(t.at.data, "v2", repository, "blobs", b.digest)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("create file: %w", err)
	}
	defer file.Close()
	if _, err := file.ReadFrom(b.reader()); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	return nil
}
