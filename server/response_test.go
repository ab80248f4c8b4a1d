package server

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// TestABodyThatEndedHasNoDeadline reads beyond the end, as io.Copy and its like do: net/http then waits for the client to leave, and a deadline
// would look as if it had.
func TestABodyThatEndedHasNoDeadline(t *testing.T) {
	armed := 0
	b := &body{ReadCloser: io.NopCloser(strings.NewReader("x")), deadline: deadline{set: func(time.Time) error { armed++; return nil }}}
	if _, err := io.ReadAll(b); err != nil || armed == 0 {
		t.Fatalf("armed %d times, %v", armed, err)
	}
	before := armed
	if n, err := b.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) || armed != before {
		t.Errorf("%d bytes, %v, and the deadline was armed again", n, err)
	}
}
