package acme

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Lease coordinates servers that share a cache: only one at a time may order for a name, or create
// the account. what identifies the lease; it consists of letters, digits and ".-_". held ends when
// the lease is lost; release returns it. ok is false if another server holds it; the lease of a
// server that died expires. If two servers ever hold it at once, that costs one extra order.
//
// Each name has its own lease, so that a slow or failing order delays no other name.
type Lease func(ctx context.Context, what string) (held context.Context, release func(), ok bool, err error)

// Follow is the Lease of a server that uses certificates ordered by others and never orders.
func Follow(context.Context, string) (held context.Context, release func(), ok bool, err error) {
	return nil, nil, false, nil
}

// mostTakenOver is how many consecutive orders are retried immediately after a server died during
// them. The order itself may be what crashes the servers, so after that the recorded backoff
// applies.
const mostTakenOver = 1

// due returns when to place the next order, and whether a certificate is missing until then.
func (n *name) due() (at time.Time, wanting bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	at, wanting = n.desired()
	if n.record.NextTry.After(at) {
		return n.record.NextTry, true
	}
	return at, wanting
}

// desired returns when to place the next order, ignoring failures, and whether the certificate is
// missing until then. The caller holds the lock of the name.
func (n *name) desired() (at time.Time, wanting bool) {
	c := n.serving.Load()
	if c == nil || n.foreign {
		return time.Time{}, true
	}
	return n.renewAt(c.Leaf), false
}

// wants reports whether to order now. Servers that share a cache need not wait for the backoff of
// an order that was started and never ended: acquiring its lease shows that no server is working on
// it anymore.
func (n *name) wants(now time.Time, shared bool) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if at, _ := n.desired(); at.After(now) {
		return false
	}
	return !n.record.NextTry.After(now) || shared && n.record.abandonable()
}

// abandonable reports whether a started order may be retried immediately.
func (r record) abandonable() bool { return r.Begun && r.BrokenOff < mostTakenOver }

// underWay reports whether a started order may still be in progress.
func (n *name) underWay(now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.record.Begun && now.Sub(n.record.FailedAt) < orderTimeout
}

// orderAlone orders with the lease of the name, unless another server has renewed it meanwhile. It
// returns false if another server holds the lease or that cannot be determined.
func (m *Manager) orderAlone(ctx context.Context, n *name) bool {
	held, release, ok, err := m.lease(ctx, n.host)
	if err != nil {
		m.log.LogAttrs(ctx, slog.LevelWarn, "no certificate is ordered: it is not known whether another server is ordering one", slog.String("host", n.host), slog.Any("error", err))
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

// blockedFor returns how long to wait if another server holds the lease or the lease cannot be
// checked: briefly while an order is known to be in progress, otherwise with exponential backoff.
func (n *name) blockedFor(now time.Time) time.Duration {
	if n.underWay(now) {
		return lookAtOrder + jitter(lookAtOrder/5)
	}
	n.blocked++
	return doubled(lookAtOrder, lookSoon, n.blocked)
}

// lost reports whether a lease ended before the context in which it was acquired.
func lost(ctx, held context.Context) bool {
	return held.Err() != nil && !errors.Is(context.Cause(held), context.Cause(ctx))
}
