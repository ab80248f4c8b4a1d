// Package problem is how the server says no. It words every error that a client can see, and writes it to HTTP.
//
// The body is that of the OCI distribution specification 1.1, section "Error Codes": {"errors":[{"code","message","detail"}]}.
package problem

import (
	"fmt"
	"net/http"
)

// Error is a refusal. It is an error value: handlers return it, one place writes it.
type Error struct {
	Status  int         // HTTP status
	Code    string      // upper case letters and underscores; of the specification where it has one
	Message string      // for people: what is wrong and what to do
	Detail  any         // for programs; JSON; may be nil
	Header  http.Header // further headers, such as WWW-Authenticate, Retry-After or Range
	Cause   error       // what happened underneath: logged, never sent
}

// Error implements error.
func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %v", e.Message, e.Cause)
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }
