package connection

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"packhouse/server/auth"
	"packhouse/server/problem"
)

// arrivals registers requests at a limit.
type arrivals struct {
	*testing.T
	*Requests
}

// arrive registers a request from an address and returns it with the status of its refusal, if any.
func (a arrivals) arrive(address string) (q *Request, status int) {
	a.Helper()
	w := &Response{ResponseWriter: httptest.NewRecorder()}
	client := auth.Client{Addr: netip.MustParseAddr(address)}
	q, err := a.Begin(w, httptest.NewRequest(http.MethodGet, "/", nil), client, false)
	return q, statusOf(a.T, err)
}

func statusOf(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	p, ok := errors.AsType[*problem.Error](err)
	if !ok || p.Header.Get("Retry-After") == "" {
		t.Fatalf("%v, want a refusal with Retry-After", err)
	}
	return p.Status
}

// TestRequestsOfOneUser: a user has half of the requests; more wait, and are granted as soon as one
// ends or refused after a while.
func TestRequestsOfOneUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := arrivals{t, NewRequests(16)}
		grant := func(user, address string) (*Request, int) {
			q, status := a.arrive(address)
			if status != 0 {
				t.Fatalf("no place: %d", status)
			}
			return q, statusOf(t, q.Grant(t.Context(), auth.Identity{User: user}))
		}
		var open []*Request
		for range 8 {
			q, status := grant("ci", "127.0.0.1")
			if status != 0 {
				t.Fatalf("refused with %d", status)
			}
			open = append(open, q)
		}
		granted := make(chan int, 1)
		began := time.Now()
		go func() {
			q, status := grant("ci", "127.0.0.1")
			granted <- status
			q.End()
		}()
		synctest.Wait()
		if _, status := grant("spectro", "127.0.0.1"); status != 0 {
			t.Errorf("another user gets %d", status)
		}
		time.Sleep(requestWait / 2)
		open[0].End()
		if status := <-granted; status != 0 || time.Since(began) != requestWait/2 {
			t.Errorf("after one ended: %d after %v", status, time.Since(began))
		}
		open[0], _ = grant("ci", "127.0.0.1")
		began = time.Now()
		if _, status := grant("ci", "127.0.0.1"); status != 429 || time.Since(began) != requestWait {
			t.Errorf("at the limit: %d after %v, want 429 after %v", status, time.Since(began), requestWait)
		}
	})
}

// TestRequestsOfAll: beyond the limit, requests wait and are refused with 503; few wait at once.
func TestRequestsOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := arrivals{t, NewRequests(16)}
		for i := range 16 {
			q, _ := a.arrive("127.0.0.1")
			if err := q.Grant(t.Context(), auth.Identity{User: string(rune('a' + i/8))}); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		for range 4 {
			q, _ := a.arrive("127.0.0.1")
			go func() {
				if status := statusOf(t, q.Grant(t.Context(), auth.Identity{})); status != 503 {
					t.Errorf("%d", status)
				}
				q.Expend()
				q.End()
			}()
		}
		synctest.Wait()
		q, _ := a.arrive("127.0.0.1")
		if status := statusOf(t, q.Grant(t.Context(), auth.Identity{})); status != 503 || time.Since(began) != 0 {
			t.Errorf("beside those that wait: %d after %v", status, time.Since(began))
		}
		q.End()
		q, _ = a.arrive("127.0.0.1")
		gone, leave := context.WithCancel(t.Context())
		time.Sleep(requestWait)
		synctest.Wait()
		leave()
		if err := q.Grant(gone, auth.Identity{}); !errors.Is(err, context.Canceled) {
			t.Errorf("a client that has left: %v", err)
		}
		q.End()
		if len(a.ungranted) != 0 || len(a.waiting) != 0 || a.granted[everyone] != 16 {
			t.Errorf("left over: %v, %d waiting, %v", a.ungranted, len(a.waiting), a.granted)
		}
	})
}

// TestStrangersTakeNoPlaceOfUsers: requests without a grant have places of their own, of which one
// address has half; the oldest expendable one makes room for a new one.
func TestStrangersTakeNoPlaceOfUsers(t *testing.T) {
	a := arrivals{t, NewRequests(16)}
	var all []*Request
	for range 4 {
		q, status := a.arrive("192.0.2.1")
		if status != 0 {
			t.Fatalf("refused with %d", status)
		}
		all = append(all, q)
	}
	if _, status := a.arrive("192.0.2.1"); status != http.StatusServiceUnavailable {
		t.Errorf("one more of the address: %d", status)
	}
	all[2].Expend()
	all[1].Expend()
	if _, status := a.arrive("192.0.2.1"); status != 0 {
		t.Errorf("beside expendable ones: %d", status)
	}
	if all[1].placed || !all[0].placed || !all[2].placed {
		t.Error("the oldest expendable request was not the one to make room")
	}
	q, status := a.arrive("192.0.2.2")
	if status != 0 {
		t.Errorf("another address: %d", status)
	}
	for range 8 {
		a.arrive("127.0.0.1")
	}
	if err := q.Grant(t.Context(), auth.Identity{User: "ci"}); err != nil {
		t.Errorf("a user beside all the strangers: %v", err)
	}
}
