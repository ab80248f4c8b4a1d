package connection

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"time"
)

// sendChunk is the number of bytes that the kernel sends before the deadline is extended.
const sendChunk = 1 << 20

// frameChunk is the size of the buffer of a response that the kernel cannot send, in bytes: that of
// an HTTP/2 frame. A client that accepts nothing keeps it in memory.
const frameChunk = 16 << 10

// Response counts bytes and extends the deadline while they move: a request may take any time, but
// must not stall. It implements io.ReaderFrom, so that the kernel sends files directly.
type Response struct {
	http.ResponseWriter
	deadline deadline
	body     *body
	headers  http.Header // of the request
	http1    bool
	kernel   bool // the kernel can send files to the connection
	hangUp   bool // the connection must be closed after the response
	status   int  // 0: the response has not started
	bytes    int64
}

var _ io.ReaderFrom = (*Response)(nil)

// NewResponse wraps both directions of a request: it replaces r.Body, too.
func NewResponse(w http.ResponseWriter, r *http.Request, stall time.Duration, limits BodyLimits) *Response {
	control := http.NewResponseController(w)
	rw := &Response{
		ResponseWriter: w,
		deadline:       deadline{set: control.SetWriteDeadline, stall: stall},
		headers:        r.Header,
		http1:          r.ProtoMajor == 1,
		kernel:         r.ProtoMajor == 1 && r.TLS == nil,
	}
	if r.Body != nil && r.Body != http.NoBody {
		rw.body = &body{
			ReadCloser: r.Body, limits: limits, deadline: deadline{set: control.SetReadDeadline, stall: limits.stall},
		}
		r.Body = rw.body
		_ = control.SetWriteDeadline(time.Time{}) // that of WriteTimeout; it fails in tests without a connection
	} else {
		rw.deadline.move() // with a body only writing does: HTTP/2 would end a long upload at the deadline
	}
	return rw
}

// Status returns the status of the response, or 0 if it has not started.
func (w *Response) Status() int { return w.status }

// Sent returns the number of bytes of the response's body that were written.
func (w *Response) Sent() int64 { return w.bytes }

// Received returns the number of bytes of the request's body that were read.
func (w *Response) Received() int64 {
	if w.body == nil {
		return 0
	}
	return w.body.bytes
}

// HangUp reports whether the connection must be closed after the response.
func (w *Response) HangUp() bool { return w.hangUp }

// Unwrap is for http.ResponseController.
func (w *Response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader records the status, except informational ones (1xx).
func (w *Response) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
		w.dropHeaders()
		if w.body != nil && w.body.failed && w.http1 {
			w.Header().Set("Connection", "close") // otherwise net/http reads the rest of the body before it responds
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *Response) Write(p []byte) (int, error) {
	w.begin()
	w.deadline.move()
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// ReadFrom lets the kernel send a file if possible, in chunks so that the deadline can be extended.
func (w *Response) ReadFrom(src io.Reader) (int64, error) {
	w.begin()
	to, ok := w.ResponseWriter.(io.ReaderFrom)
	if !ok {
		buffer := make([]byte, frameChunk)
		n, err := io.CopyBuffer(struct{ io.Writer }{w.ResponseWriter}, &moving{src, &w.deadline}, buffer)
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

// send copies a file to the connection in chunks. A deadline that expires while bytes move is not a
// stall.
func (w *Response) send(to io.ReaderFrom, src *io.LimitedReader) (total int64, err error) {
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
			return total, nil // the file was truncated, which the client detects by Content-Length
		}
	}
	return total, nil
}

// fileBehind reports whether src, from http.ServeContent, reads an *os.File.
func fileBehind(src io.Reader) (*io.LimitedReader, bool) {
	limited, ok := src.(*io.LimitedReader)
	if !ok {
		return nil, false
	}
	_, ok = limited.R.(*os.File)
	return limited, ok
}

func (w *Response) begin() {
	if w.status == 0 {
		w.status = http.StatusOK
		w.dropHeaders()
	}
}

// longAgent is the length of a User-Agent, in bytes, from which it is not kept.
const longAgent = 1 << 10

// dropHeaders releases the memory of the request's headers, which nothing reads after the response
// has begun, except User-Agent. A client may take long to accept the response, and have many streams
// open. HTTP/1 has one request on a connection, and net/http still reads its headers.
func (w *Response) dropHeaders() {
	if w.http1 {
		return
	}
	maps.DeleteFunc(w.headers, func(name string, values []string) bool {
		return name != "User-Agent" || len(values) != 1 || len(values[0]) >= longAgent
	})
}

// Finish extends the deadline for buffered output and for the unread rest of the body. A response
// over HTTP/2 is sent, because otherwise net/http would wait for the client's window after the
// handler has returned, where the request is not counted. cut reports that the rest of the response
// must not be sent.
func (w *Response) Finish(cut bool) {
	w.deadline.now()
	if w.body != nil && !w.body.ended {
		w.body.deadline.stall = w.deadline.stall // nothing uses the rest
		w.body.deadline.now()
	}
	if !w.http1 && w.bytes > 0 && !cut {
		_ = http.NewResponseController(w.ResponseWriter).Flush() // it fails if the client has disconnected
	}
}

// deadline is the read or write deadline of a connection or stream.
type deadline struct {
	set   func(time.Time) error
	stall time.Duration
	armed time.Time
}

// move extends the deadline, unless it did so recently, because setting it costs time.
func (d *deadline) move() {
	if now := time.Now(); now.Sub(d.armed) >= d.stall/8 {
		d.arm(now)
	}
}

// now extends the deadline.
func (d *deadline) now() { d.arm(time.Now()) }

func (d *deadline) arm(now time.Time) {
	d.armed = now
	_ = d.set(now.Add(d.stall)) // fails in tests without a connection
}

// moving is a source that extends the deadline of the response on each read.
type moving struct {
	io.Reader
	deadline *deadline
}

func (m *moving) Read(p []byte) (int, error) {
	m.deadline.move()
	return m.Reader.Read(p)
}
