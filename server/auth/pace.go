package auth

import "time"

// pace limits events to a burst and one more per interval (the generic cell rate algorithm). Its
// zero value has spent nothing.
type pace struct {
	due time.Time // when the events so far are paid for
}

// rate is the limit of a pace: at most burst + d/interval events happen in any duration d.
type rate struct {
	interval time.Duration
	burst    int
}

// earliest returns when the next event may happen; the zero time or one that has passed means now.
func (p pace) earliest(r rate) time.Time {
	if p.due.IsZero() {
		return time.Time{}
	}
	return p.due.Add(-time.Duration(r.burst-1) * r.interval)
}

// take records an event.
func (p *pace) take(r rate, now time.Time) {
	if p.due.Before(now) {
		p.due = now
	}
	p.due = p.due.Add(r.interval)
}

// putBack undoes take.
func (p *pace) putBack(r rate) { p.due = p.due.Add(-r.interval) }
