package main

import (
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// s3Counter stands between a registry and the S3 engine, passes everything on
// and counts it by operation.
type s3Counter struct {
	address string
	server  *http.Server

	mu      sync.Mutex
	counts  map[string]int
	running int
	last    time.Time // when something came or went
}

func startS3Counter(engine string) (*s3Counter, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	c := &s3Counter{address: listener.Addr().String(), counts: map[string]int{}, last: time.Now()}
	// The Host header stays, because it is signed.
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: engine})
	proxy.Transport = &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	c.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.enter(s3Operation(r), 1)
		defer c.enter("", -1)
		proxy.ServeHTTP(w, r)
	})}
	go func() { _ = c.server.Serve(listener) }()
	return c, nil
}

func (c *s3Counter) enter(operation string, running int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if operation != "" {
		c.counts[operation]++
	}
	c.running += running
	c.last = time.Now()
}

// quiet is how long nothing may come before what was asked for counts as done:
// what a registry still does after its answer belongs to the request.
const quiet = 300 * time.Millisecond

func (c *s3Counter) awaitQuiet() {
	for {
		c.mu.Lock()
		calm := c.running == 0 && time.Since(c.last) > quiet
		c.mu.Unlock()
		if calm {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// during counts what something takes, by operation.
func (c *s3Counter) during(do func() error) (map[string]int, error) {
	c.awaitQuiet()
	c.mu.Lock()
	clear(c.counts)
	c.mu.Unlock()
	if err := do(); err != nil {
		return nil, err
	}
	c.awaitQuiet()
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.counts), nil
}

func (c *s3Counter) stop() { _ = c.server.Close() }

// s3Operation names a request as the S3 API does.
func s3Operation(r *http.Request) string {
	query := r.URL.Query()
	bucket := !strings.Contains(strings.Trim(r.URL.Path, "/"), "/")
	switch r.Method {
	case http.MethodPut:
		copied := r.Header.Get("X-Amz-Copy-Source") != ""
		switch {
		case query.Has("partNumber") && copied:
			return "UploadPartCopy"
		case query.Has("partNumber"):
			return "UploadPart"
		case copied:
			return "CopyObject"
		}
		return "PutObject"
	case http.MethodPost:
		switch {
		case query.Has("uploads"):
			return "CreateMultipartUpload"
		case query.Has("uploadId"):
			return "CompleteMultipartUpload"
		case query.Has("delete"):
			return "DeleteObjects"
		}
	case http.MethodGet:
		switch {
		case query.Has("uploads"):
			return "ListMultipartUploads"
		case query.Has("uploadId"):
			return "ListParts"
		case query.Has("list-type"), bucket:
			return "ListObjects"
		}
		return "GetObject"
	case http.MethodHead:
		if bucket {
			return "HeadBucket"
		}
		return "HeadObject"
	case http.MethodDelete:
		if query.Has("uploadId") {
			return "AbortMultipartUpload"
		}
		return "DeleteObject"
	}
	return r.Method
}

// charged returns how many of the requests cost money on AWS, where deletions
// and aborted uploads are free.
func charged(counts map[string]int) (total int) {
	for operation, count := range counts {
		switch operation {
		case "DeleteObject", "DeleteObjects", "AbortMultipartUpload":
		default:
			total += count
		}
	}
	return total
}

// inWords lists the operations, the most frequent first.
func inWords(counts map[string]int) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", counts[name], name)
	}
	return strings.Join(names, ", ")
}
