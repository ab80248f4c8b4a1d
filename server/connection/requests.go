package connection

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"packhouse/server/auth"
	"packhouse/server/problem"
)

// defaultRequests is the limit of a configuration that was not parsed from a file.
const defaultRequests = 1200

// requestWait is how long a granted request waits for room before it is refused.
const requestWait = 20 * time.Second

// phase is how far a request has come.
type phase uint8

const (
	pending    phase = iota // not granted yet, for example because its password is being verified
	granted                 // its handler may use the store
	expendable              // its response needs no sign-in: an error or public content
	over
)

// Requests limits the requests that are open at once (http.limits.requests). A request is open until
// the client has accepted its response. Half of the limit is the share of one user or address.
// Requests without a grant have places of their own, half as many, so that strangers take none from
// users. If these are full, the oldest expendable request is cut off.
type Requests struct {
	most int // granted requests

	mu        sync.Mutex
	granted   map[share]int
	ungranted map[share]int
	waiting   []*Request // for a grant, oldest first
	oldest    Request    // head of the ring of requests without a grant, in order of arrival
}

// share is what a request counts against: everyone, a user or an address.
type share struct{ kind, name string }

var everyone = share{kind: "everyone"}

// Request is a request and its place.
type Request struct {
	of      *Requests
	conn    *connection // nil without a listener
	shares  []share     // the last one is that of everyone
	control *http.ResponseController
	http1   bool

	phase      phase         // guarded by requests.mu
	placed     bool          // it is in the ring
	turn       chan struct{} // closed when a waiting request is granted
	next, prev *Request

	mu       sync.Mutex
	finished bool // control must not be used any more
}

// NewRequests returns a limit for the given number of granted requests; 0: the default.
func NewRequests(most int) *Requests {
	if most <= 0 {
		most = defaultRequests
	}
	o := &Requests{most: most, granted: map[share]int{}, ungranted: map[share]int{}}
	o.oldest.next, o.oldest.prev = &o.oldest, &o.oldest
	return o
}

// Begin registers a request of a client. The address is counted unless it stands for many clients.
// It returns a 503 if there is no place; the request is registered nevertheless. The caller calls
// end.
func (o *Requests) Begin(w *Response, r *http.Request, c auth.Client, many bool) (*Request, error) {
	q := &Request{
		of: o, conn: connectionOf(r), shares: make([]share, 0, 3),
		control: http.NewResponseController(w.ResponseWriter), http1: w.http1,
	}
	if c.Addr.IsValid() && !c.Addr.IsLoopback() && !many {
		q.shares = append(q.shares, share{"address", c.Bucket()})
	}
	q.shares = append(q.shares, everyone)
	q.conn.begin()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.place(q) {
		return q, problem.Later(time.Second, "the server is answering too many requests: try again shortly")
	}
	return q, nil
}

// place adds a request to the ring and reports whether there was a place. The caller holds the lock.
func (o *Requests) place(q *Request) bool {
	q.placed = true
	q.next, q.prev = &o.oldest, o.oldest.prev
	q.prev.next, q.next.prev = q, q
	fits := true
	for _, of := range q.shares {
		o.ungranted[of]++
		if o.ungranted[of] > o.mostOf(of)/2 {
			fits = o.cutOldest(of, q) && fits
		}
	}
	return fits
}

// mostOf returns how many granted requests a share may have.
func (o *Requests) mostOf(of share) int {
	if of == everyone {
		return o.most
	}
	return o.most / 2
}

// cutOldest cuts off the oldest expendable request of a share, except one. It reports whether there
// was one. The caller holds the lock.
func (o *Requests) cutOldest(of share, except *Request) bool {
	for q := o.oldest.next; q != &o.oldest; q = q.next {
		if q.phase == expendable && q != except && slices.Contains(q.shares, of) {
			o.remove(q)
			go q.cut()
			return true
		}
	}
	return false
}

// remove removes a request from the ring. The caller holds the lock.
func (o *Requests) remove(q *Request) {
	if !q.placed {
		return
	}
	q.placed = false
	q.prev.next, q.next.prev = q.next, q.prev
	release(o.ungranted, q.shares)
}

// release decrements the counts of shares.
func release(counts map[share]int, shares []share) {
	for _, of := range shares {
		if counts[of]--; counts[of] <= 0 {
			delete(counts, of)
		}
	}
}

// cut ends a request: its stream, or its connection of HTTP/1.
func (q *Request) cut() {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.finished:
	case q.http1 && q.conn != nil:
		_ = q.conn.conn.Close() // it has nothing to report
	default:
		_ = q.control.SetWriteDeadline(time.Now().Add(-time.Second)) // it fails in tests without a connection
	}
}

// Grant moves a request to the places of granted ones. It waits while there is none, and returns 429
// if the user or the address has its share, 503 if all places are taken, or the context's error.
func (q *Request) Grant(ctx context.Context, id auth.Identity) error {
	o := q.of
	o.mu.Lock()
	if id.User != "" {
		o.remove(q)
		q.shares = slices.Insert(q.shares, 0, share{"user", id.User})
	}
	err := o.full(q)
	if err == nil {
		o.take(q)
		o.mu.Unlock()
		return nil
	}
	if !q.placed && !o.place(q) || o.crowded(q) {
		o.mu.Unlock()
		return err
	}
	q.turn = make(chan struct{})
	o.waiting = append(o.waiting, q)
	o.mu.Unlock()

	timer := time.NewTimer(requestWait)
	defer timer.Stop()
	select {
	case <-q.turn:
		return nil
	case <-timer.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if q.phase == granted {
		return nil
	}
	o.waiting = slices.DeleteFunc(o.waiting, func(w *Request) bool { return w == q })
	return err
}

// full returns why a request cannot be granted now, or nil. The caller holds the lock.
func (o *Requests) full(q *Request) error {
	for _, of := range q.shares {
		switch {
		case o.granted[of] < o.mostOf(of):
		case of == everyone:
			return problem.Later(time.Second, "too many requests are open: try again shortly")
		default:
			return problem.Slow(time.Second, "too many requests of this %s are open: let some end first", of.kind)
		}
	}
	return nil
}

// crowded reports whether too many requests of the same user or address wait for this one to wait.
// Each that waits takes a place from requests without a grant. The caller holds the lock.
func (o *Requests) crowded(q *Request) bool {
	for _, of := range q.shares {
		waiting := 0
		for _, w := range o.waiting {
			if slices.Contains(w.shares, of) {
				waiting++
			}
		}
		if waiting >= o.mostOf(of)/4 {
			return true
		}
	}
	return false
}

// take grants a request. The caller holds the lock.
func (o *Requests) take(q *Request) {
	o.remove(q)
	q.phase = granted
	for _, of := range q.shares {
		o.granted[of]++
	}
	q.conn.grant()
}

// leave releases the place of a granted request and grants waiting ones. The caller holds the lock.
func (o *Requests) leave(q *Request) {
	release(o.granted, q.shares)
	o.waiting = slices.DeleteFunc(o.waiting, func(w *Request) bool {
		if o.full(w) != nil {
			return false
		}
		o.take(w)
		close(w.turn)
		return true
	})
}

// Expend marks a request whose response needs no sign-in.
func (q *Request) Expend() {
	o := q.of
	o.mu.Lock()
	defer o.mu.Unlock()
	was := q.phase
	if was == expendable {
		return
	}
	q.phase = expendable
	q.conn.settle(was)
	if was == granted {
		o.leave(q)
		o.place(q)
	}
}

// End removes a request whose response the client has accepted.
func (q *Request) End() {
	q.mu.Lock()
	q.finished = true
	q.mu.Unlock()
	o := q.of
	o.mu.Lock()
	defer o.mu.Unlock()
	was := q.phase
	q.phase = over
	o.remove(q)
	q.conn.settle(was)
	if was == granted {
		o.leave(q)
	}
}
