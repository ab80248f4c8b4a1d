package server

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// sendChunk is how much the kernel is told to send at once before the deadline is looked at again, in bytes.
const sendChunk = 1 << 20

// response counts what is sent and moves the deadline on while bytes move: a request may take as long as it likes, but not stand still. It
// keeps io.ReaderFrom, by which the kernel sends files itself.
type response struct {
	http.ResponseWriter
	deadline deadline
	body     *body
	http1    bool
	kernel   bool // a file may go straight into the connection
	status   int  // 0: the answer has not begun
	bytes    int64
}

var _ io.ReaderFrom = (*response)(nil)

// newResponse wraps both directions of a request. The body is nil where there is none.
func newResponse(w http.ResponseWriter, r *http.Request, stall time.Duration) (*response, *body) {
	control := http.NewResponseController(w)
	rw := &response{
		ResponseWriter: w,
		deadline:       deadline{set: control.SetWriteDeadline, stall: stall},
		http1:          r.ProtoMajor == 1,
		kernel:         r.ProtoMajor == 1 && r.TLS == nil,
	}
	if r.Body != nil && r.Body != http.NoBody {
		rw.body = &body{ReadCloser: r.Body, deadline: deadline{set: control.SetReadDeadline, stall: stall}}
	}
	rw.deadline.move()
	return rw, rw.body
}

// Unwrap lets http.ResponseController through.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader notes the status; those of 100 to 199 are not the answer yet.
func (w *response) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
		if w.body != nil && w.body.failed && w.http1 {
			w.Header().Set("Connection", "close") // else net/http waits for the rest of the body before it answers
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(p []byte) (int, error) {
	w.begin()
	w.deadline.move()
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// ReadFrom sends a file by the kernel where that is possible, piece by piece so that the deadline moves with it.
func (w *response) ReadFrom(src io.Reader) (int64, error) {
	w.begin()
	to, ok := w.ResponseWriter.(io.ReaderFrom)
	if !ok {
		n, err := io.Copy(struct{ io.Writer }{w.ResponseWriter}, &moving{src, &w.deadline})
		w.bytes += n
		return n, err
	}
	if limited, file := fileBehind(src); w.kernel && file {
		n, err := w.send(to, limited)
		w.bytes += n
		return n, err
	}
	n, err := to.ReadFrom(&moving{src, &w.deadline})
	w.bytes += n
	return n, err
}

// send gives the connection one piece of a file after the other. A deadline that passed while bytes still moved is no stall.
func (w *response) send(to io.ReaderFrom, src *io.LimitedReader) (total int64, err error) {
	for src.N > 0 {
		piece := &io.LimitedReader{R: src.R, N: min(src.N, sendChunk)}
		w.deadline.now()
		n, err := to.ReadFrom(piece)
		total += n
		src.N -= n
		switch {
		case err != nil && n > 0 && errors.Is(err, os.ErrDeadlineExceeded):
		case err != nil:
			return total, err
		case n == 0:
			return total, nil // the file is shorter than it was: what is missing shows in Content-Length
		}
	}
	return total, nil
}

// fileBehind finds the file that http.ServeContent sends a part of.
func fileBehind(src io.Reader) (*io.LimitedReader, bool) {
	limited, ok := src.(*io.LimitedReader)
	if !ok {
		return nil, false
	}
	_, ok = limited.R.(*os.File)
	return limited, ok
}

func (w *response) begin() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
}

// finish sets the deadline of what is still buffered, and of the rest of a body that nobody read.
func (w *response) finish() {
	w.deadline.now()
	if w.body != nil && !w.body.ended {
		w.body.deadline.now()
	}
}

// body counts what is received and moves the deadline on while bytes move.
type body struct {
	io.ReadCloser
	deadline deadline
	bytes    int64
	ended    bool // it came whole
	failed   bool
}

func (b *body) Read(p []byte) (int, error) {
	if !b.ended { // else the deadline would end the answer: net/http listens for the client to leave
		b.deadline.move()
	}
	n, err := b.ReadCloser.Read(p)
	b.bytes += int64(n)
	switch {
	case errors.Is(err, io.EOF) && !b.ended:
		b.ended = true // net/http takes the deadline away: the answer may take as long as it likes
	case err != nil && !b.ended:
		b.failed = true
	}
	return n, err
}

// deadline is one of a connection or stream, that moves on.
type deadline struct {
	set   func(time.Time) error
	stall time.Duration
	armed time.Time
}

// move sets the deadline anew unless that was done a moment ago: there is one call for many small pieces.
func (d *deadline) move() {
	if now := time.Now(); now.Sub(d.armed) >= d.stall/8 {
		d.arm(now)
	}
}

// now sets the deadline anew.
func (d *deadline) now() { d.arm(time.Now()) }

func (d *deadline) arm(now time.Time) {
	d.armed = now
	_ = d.set(now.Add(d.stall)) // not to be had in tests without a connection
}

// moving is a source that is read between two writes.
type moving struct {
	io.Reader
	deadline *deadline
}

func (m *moving) Read(p []byte) (int, error) {
	m.deadline.move()
	return m.Reader.Read(p)
}
