// Package problem defines every error that a client can see, and writes it as an HTTP response.
//
// The body is that of the OCI distribution specification 1.1, section "Error Codes":
// {"errors":[{"code","message","detail"}]}.
package problem

import (
	"fmt"
	"net/http"
)

// Error is an HTTP error response. Handlers return it as an error; Write sends it.
type Error struct {
	Status  int         // HTTP status
	Code    string      // upper-case letters and underscores; from the specification if it defines one
	Message string      // for people: what is wrong and how to fix it
	Detail  any         // for programs; JSON; may be nil
	Header  http.Header // additional headers, such as WWW-Authenticate, Retry-After or Range
	Cause   error       // underlying error: logged, never sent
}

// Error implements error. A long text is truncated.
func (e *Error) Error() string {
	if e.Cause != nil {
		return clip(fmt.Sprintf("%s: %v", e.Message, e.Cause))
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }
