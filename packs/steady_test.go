package packs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// transfer is a transport whose body moves some bytes, then pauses, as slowly as a test asks.
type transfer struct {
	bytes, total int
	pause        time.Duration
	sending      bool // the request body moves, not that of the response

	ctx   context.Context
	moved int
}

func (s *transfer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.ctx = r.Context()
	if s.sending {
		for {
			_, err := r.Body.Read(make([]byte, s.bytes))
			if err == io.EOF {
				break
			}
			if err := s.sleep(); err != nil {
				return nil, err
			}
		}
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	}
	return &http.Response{StatusCode: http.StatusOK, Body: s}, nil
}

func (s *transfer) sleep() error {
	select {
	case <-s.ctx.Done():
		return s.ctx.Err()
	case <-time.After(s.pause):
		return nil
	}
}

func (s *transfer) Read(p []byte) (int, error) {
	if s.moved >= s.total {
		return 0, io.EOF
	}
	if err := s.sleep(); err != nil {
		return 0, err
	}
	n := min(s.bytes, len(p), s.total-s.moved)
	s.moved += n
	return n, nil
}

func (s *transfer) Close() error { return nil }

// TestSlowTransfers verifies that a registry that moves hardly anything cannot hold a command, and
// that a slow network or a slow caller is no reason to end one.
func TestSlowTransfers(t *testing.T) {
	for _, tc := range []struct {
		name     string
		transfer transfer
		caller   time.Duration // pause of the caller between reads
		slow     bool
	}{
		{"a byte now and then", transfer{bytes: 1, total: 1 << 20, pause: 10 * time.Second}, 0, true},
		{"a trickling list", transfer{bytes: 1, total: 300, pause: time.Second}, 0, true},
		{"nothing", transfer{bytes: 1, total: 1, pause: 24 * time.Hour}, 0, true},
		{"fast, then nothing", transfer{bytes: 1 << 20, total: 2 << 20, pause: 2 * time.Minute}, 0, true},
		{"a slow network", transfer{bytes: 4 << 10, total: 1 << 20, pause: 2 * time.Second}, 0, false},
		{"a slow caller", transfer{bytes: 4 << 10, total: 64 << 10, pause: time.Millisecond}, time.Hour, false},
		{"sent: a byte now and then", transfer{bytes: 1, pause: 10 * time.Second, sending: true}, 0, true},
		{"sent: a slow network", transfer{bytes: 4 << 10, pause: 2 * time.Second, sending: true}, 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "https://packs.example.com/", bytes.NewReader(make([]byte, 1<<20)))
				if err != nil {
					t.Fatal(err)
				}
				response, err := steady{&tc.transfer, "packs.example.com"}.RoundTrip(r)
				if err == nil {
					defer response.Body.Close()
					for buffer := make([]byte, 1<<20); err == nil; time.Sleep(tc.caller) {
						_, err = response.Body.Read(buffer)
					}
				}
				failure, slow := errors.AsType[*Failure](err)
				if slow != tc.slow || slow && (failure.Code != CodeServerTimeout || time.Since(began) > 2*time.Minute) {
					t.Errorf("after %v: %v, want slow: %t", time.Since(began), err, tc.slow)
				}
			})
		})
	}
}
