package connection

import (
	"io"
	"net/http"
	"time"
)

// Limits of a lingering close. They allow a client that sends a layer before it reads the response
// to finish; one that exceeds them is cut off. Meanwhile its connection may be evicted.
const (
	LingerBytes = 32 << 20
	lingerTime  = refusalTime
	lingerIdle  = 2 * time.Second // without receiving a byte
)

// shortRest is how many bytes of a body are read to keep the connection.
const shortRest = 256 << 10

// refusalTime is how long a client may take to accept an error response.
const refusalTime = 5 * time.Second

// Refuse sends the error response that respond writes. A client that is still sending the body may
// finish first.
func (w *Response) Refuse(r *http.Request, respond func()) {
	w.deadline.stall = min(w.deadline.stall, refusalTime)
	if w.body != nil && !w.http1 {
		_ = w.body.Close() // releases what has arrived; net/http discards the rest
	}
	lingers := w.prepareToLinger(r)
	respond()
	if lingers {
		w.linger()
	}
}

// prepareToLinger allows an HTTP/1 response while the request's body is still arriving, and reports
// whether linger must be called. A client that expects 100 Continue has sent no body and will not.
func (w *Response) prepareToLinger(r *http.Request) bool {
	if !w.http1 || w.body == nil || w.body.ended || w.body.failed || r.Header.Get("Expect") != "" {
		return false
	}
	// Otherwise net/http reads shortRest bytes of the body before it sends the response.
	if http.NewResponseController(w.ResponseWriter).EnableFullDuplex() != nil {
		return false
	}
	if r.ContentLength < 0 || r.ContentLength-w.body.bytes > shortRest {
		w.Header().Set("Connection", "close")
	}
	return true
}

// linger sends the response and discards the rest of the request's body. Closing a connection with
// unread input resets it, so the client, often a proxy that is still sending, would lose the
// response (RFC 9112, section 9.6).
func (w *Response) linger() {
	defer func() { w.hangUp = !w.body.ended }()
	control := http.NewResponseController(w.ResponseWriter)
	if control.Flush() != nil {
		return
	}
	end := time.Now().Add(lingerTime)
	for left := int64(LingerBytes); left > 0; {
		now := time.Now()
		if !now.Before(end) || control.SetReadDeadline(now.Add(min(lingerIdle, end.Sub(now)))) != nil {
			return
		}
		n, err := io.CopyN(io.Discard, w.body.ReadCloser, min(left, shortRest))
		w.body.bytes += n
		left -= n
		if err != nil {
			w.body.ended = err == io.EOF //nolint:errorlint // io.EOF comes bare, as io.Reader promises
			return
		}
	}
}
