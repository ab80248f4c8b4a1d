package connection

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// TestABodyThatEndedHasNoDeadline reads beyond the end, as io.Copy does. net/http then waits for the
// client to disconnect, and a deadline would look like that.
func TestABodyThatEndedHasNoDeadline(t *testing.T) {
	armed := 0
	set := func(time.Time) error { armed++; return nil }
	b := &body{ReadCloser: io.NopCloser(strings.NewReader("x")), deadline: deadline{set: set}}
	if _, err := io.ReadAll(b); err != nil || armed == 0 {
		t.Fatalf("armed %d times, %v", armed, err)
	}
	before := armed
	if n, err := b.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) || armed != before {
		t.Errorf("%d bytes, %v, and the deadline was armed again", n, err)
	}
}

// kernelWriter is a ResponseWriter over a connection that can send files by itself.
type kernelWriter struct {
	*httptest.ResponseRecorder
	sources []io.Reader
}

func (w *kernelWriter) ReadFrom(src io.Reader) (int64, error) {
	w.sources = append(w.sources, src)
	return io.Copy(w.ResponseRecorder, src)
}

// TestFilesReachTheKernel checks that the connection gets the file that http.ServeContent sends, so
// that the kernel can send it.
func TestFilesReachTheKernel(t *testing.T) {
	path := t.TempDir() + "/blob"
	content := bytes.Repeat([]byte("x"), 2*sendChunk+17)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	inner := &kernelWriter{ResponseRecorder: httptest.NewRecorder()}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Range", "bytes=1-")
	w := NewResponse(inner, r, time.Minute, BodyLimits{})
	http.ServeContent(w, r, "", time.Time{}, file)
	if w.bytes != int64(len(content))-1 || w.status != http.StatusPartialContent || inner.Body.Len() != len(content)-1 {
		t.Errorf("status %d, %d bytes", w.status, w.bytes)
	}
	if len(inner.sources) != 3 {
		t.Fatalf("%d pieces", len(inner.sources))
	}
	for _, src := range inner.sources {
		if limited, ok := src.(*io.LimitedReader); !ok || limited.R != io.Reader(file) {
			t.Errorf("the connection gets a %T", src)
		}
	}
}
