package transfer

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// blob is a storage.Blob whose content is read by a ReadSeeker.
type blob struct {
	content io.ReadSeeker
	size    int64
}

func (b blob) Content() io.ReadSeeker { return b.content }
func (b blob) Size() int64            { return b.size }
func (b blob) ModTime() time.Time     { return time.Time{} }
func (b blob) Close() error           { return nil }

// damaged is content whose check, or whose reading, fails.
type damaged struct {
	*bytes.Reader
	check, read error
}

func (d damaged) Check() error { return d.check }

func (d damaged) Read(p []byte) (int, error) {
	if d.read != nil {
		return 0, d.read
	}
	return d.Reader.Read(p)
}

// TestDamagedContent verifies that a range of a damaged blob is refused, and that a response that cannot be completed is
// aborted.
func TestDamagedContent(t *testing.T) {
	text, failure := []byte("0123456789"), errors.New("damaged")
	serve := func(d damaged, header string) (w *httptest.ResponseRecorder, aborted any, err error) {
		w = httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if header != "" {
			r.Header.Set("Range", header)
		}
		d.Reader = bytes.NewReader(text)
		defer func() { aborted = recover() }()
		err = Serve(w, r, blob{d, int64(len(text))}, digest.FromBytes(text))
		return w, nil, err
	}
	if w, _, err := serve(damaged{check: failure}, "bytes=0-1"); !errors.Is(err, failure) || w.Body.Len() > 0 {
		t.Errorf("a range of a damaged blob: %v, %q", err, w.Body)
	}
	if w, _, err := serve(damaged{check: failure}, ""); err != nil || w.Body.String() != string(text) {
		t.Errorf("the whole blob, which is verified while it is read: %v, %q", err, w.Body)
	}
	if _, aborted, _ := serve(damaged{read: failure}, ""); aborted == nil {
		t.Errorf("a failed read: %v, want an abort", aborted)
	}
}
