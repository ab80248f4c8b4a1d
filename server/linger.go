package server

import (
	"io"
	"net/http"
	"time"
)

// Bounds of a lingering close. They admit a layer of ordinary size at the speed
// of a slow line; a client that sends more, or nothing, is cut off.
const (
	lingerBytes = 128 << 20
	lingerTime  = 30 * time.Second
	lingerIdle  = 5 * time.Second // without a byte
)

// shortRest is what net/http itself reads of a body before it answers, in bytes,
// to keep the connection.
const shortRest = 256 << 10

// prepareToLinger makes an HTTP/1 answer possible while the request's body is
// still arriving, and reports whether linger has to follow. A client that
// expects 100 Continue has sent nothing and will not.
func (w *response) prepareToLinger(r *http.Request) bool {
	if !w.http1 || w.body == nil || w.body.ended || w.body.failed || r.Header.Get("Expect") != "" {
		return false
	}
	if r.ContentLength >= 0 && r.ContentLength-w.body.bytes <= shortRest {
		return false
	}
	// Otherwise net/http reads shortRest bytes of the body before it sends the answer.
	if http.NewResponseController(w.ResponseWriter).EnableFullDuplex() != nil {
		return false
	}
	w.Header().Set("Connection", "close")
	return true
}

// linger sends the answer and discards what is left of the request's body.
// Closing a connection with unread input resets it, and the client, often a
// proxy that is still sending, loses the answer (RFC 9112, section 9.6).
func (w *response) linger() {
	control := http.NewResponseController(w.ResponseWriter)
	if control.Flush() != nil {
		return
	}
	end := time.Now().Add(lingerTime)
	for left := int64(lingerBytes); left > 0; {
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
