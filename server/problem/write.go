package problem

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// From converts any error: those known to FromStorage; 503 for a request canceled by the client or
// by shutdown; 413 for a body over its limit; and 500 for the rest, whose text is not sent.
func From(err error) *Error {
	if p := FromStorage(err); p != nil {
		return p
	}
	if limit, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return New(http.StatusRequestEntityTooLarge, SizeInvalid, "the body is longer than %d bytes", limit.Limit).Because(err)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Later(time.Second, "the request was not finished in time, try again").Because(err)
	}
	return New(http.StatusInternalServerError, Unknown, "internal error: see the server's log").Because(err)
}

// body is the JSON body of an error (distribution-spec, "Error Codes").
type body struct {
	Errors []entry `json:"errors"`
}

type entry struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Detail  any    `json:"detail,omitempty"`
}

// maxBody is the maximum size of a body in bytes. Longer ones lose their detail.
const maxBody = 1 << 20

// json returns the error as a JSON body.
func (p *Error) json() []byte {
	content, err := json.Marshal(body{[]entry{{p.Code, p.Message, p.Detail}}})
	if err != nil || len(content) > maxBody { // the detail cannot be encoded, or is too long
		content, _ = json.Marshal(body{[]entry{{Code: p.Code, Message: p.Message}}})
	}
	return append(content, '\n')
}

// Write responds to a request with an error and returns the *Error that was sent, for the log. All
// errors are written here: as JSON, or as a page for a browser that requests one.
func Write(w http.ResponseWriter, r *http.Request, err error) *Error {
	p := From(err)
	h := w.Header()
	content, mediaType := p.json(), "application/json; charset=utf-8"
	if forPeople(r) {
		content, mediaType = pageOf(p), "text/html; charset=utf-8"
		h.Set("Content-Security-Policy", pagePolicy)
	}
	for _, key := range []string{"Etag", "Last-Modified", "Content-Range", "Content-Disposition", "Docker-Content-Digest"} {
		h.Del(key) // of the response that failed
	}
	for key, values := range p.Header {
		h[http.CanonicalHeaderKey(key)] = values
	}
	h.Set("Content-Type", mediaType)
	h.Set("Content-Length", strconv.Itoa(len(content)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Docker-Distribution-Api-Version", "registry/2.0")
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(content) // ignored: the client may have disconnected
	}
	return p
}
