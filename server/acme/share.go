package acme

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Lease takes what one of the servers that share a cache may do at a time: to order for one name, or to open the account (what says which; it is made
// of letters, digits and ".-_"). held ends when the lease is lost, release gives it back. Not ok where another server has it; that of a server
// which died has to run out by itself. A lease that is held by two once in a while costs an order too many and nothing else.
//
// Each name has a lease of its own, so that one which the CA takes minutes over, or never comes to an end with, holds up no other.
type Lease func(ctx context.Context, what string) (held context.Context, release func(), ok bool, err error)

// Follow is the Lease of a server that takes over what others order, and never orders.
func Follow(context.Context, string) (held context.Context, release func(), ok bool, err error) {
	return nil, nil, false, nil
}

// mostTakenOver is how many orders in a row are taken over at once from servers that died over them. Whatever kills the servers may be the
// order, so from then on the cool-down has to pass that was written down before.
const mostTakenOver = 1

// due is when the next order is placed, and whether something is wanting until then.
func (n *name) due() (at time.Time, wanting bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	at, wanting = n.desired()
	if n.record.NextTry.After(at) {
		return n.record.NextTry, true
	}
	return at, wanting
}

// desired is when the next order would be placed if none had failed, and whether the name is without a certificate until then. The caller
// holds the lock of the name.
func (n *name) desired() (at time.Time, wanting bool) {
	c := n.serving.Load()
	if c == nil || n.foreign {
		return time.Time{}, true
	}
	return n.renewAt(c.Leaf), false
}

// wants tells whether an order is to be placed now. Of servers that share a cache one need not wait for the cool-down where an order was
// begun and never ended: whoever gets the lease then knows that nobody is at it any more.
func (n *name) wants(now time.Time, shared bool) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if at, _ := n.desired(); at.After(now) {
		return false
	}
	return !n.record.NextTry.After(now) || shared && n.record.abandonable()
}

// abandonable tells whether the order that was begun may be taken over at once.
func (r record) abandonable() bool { return r.Begun && r.BrokenOff < mostTakenOver }

// underWay tells whether the outcome of an order that was begun may come any moment.
func (n *name) underWay(now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.record.Begun && now.Sub(n.record.FailedAt) < orderTimeout
}

// orderAlone orders while no other server that shares the cache does so for this name, unless one has in the meantime. It returns false where another
// server is at it, or that cannot be told.
func (m *Manager) orderAlone(ctx context.Context, n *name) bool {
	held, release, ok, err := m.lease(ctx, n.host)
	if err != nil {
		m.log.LogAttrs(ctx, slog.LevelWarn, "nothing is ordered, since it cannot be told whether another server does", slog.String("host", n.host), slog.Any("error", err))
	}
	if err != nil || !ok {
		return false
	}
	defer release()
	if !m.readable(ctx, n) {
		return false
	}
	if n.wants(m.now(), true) {
		m.order(ctx, held, n)
	}
	return true
}

// blockedFor is how long to wait for another server that has the lease, or for one that can tell who has: not long while an order is known to be
// under way, and ever longer while there is nothing to be seen of one.
func (n *name) blockedFor(now time.Time) time.Duration {
	if n.underWay(now) {
		return lookAtOrder + jitter(lookAtOrder/5)
	}
	n.blocked++
	return doubled(lookAtOrder, lookSoon, n.blocked)
}

// lost tells whether a lease ended before the context that it was taken in.
func lost(ctx, held context.Context) bool {
	return held.Err() != nil && !errors.Is(context.Cause(held), context.Cause(ctx))
}
