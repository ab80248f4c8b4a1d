package acme

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"packhouse/certgen"
)

const (
	orderTimeout = 5 * time.Minute // for one order, or two if two challenge types are tried
	startSpread  = 2 * time.Second // servers that start together do not all order at once
	lookAtOrder  = 5 * time.Second // poll interval of the cache while another server orders
	lookSoon     = time.Minute     // while a certificate is missing
	lookLater    = time.Hour       // otherwise
)

// Run orders missing certificates and renews expiring ones until ctx is done.
func (m *Manager) Run(ctx context.Context) {
	var group sync.WaitGroup
	for _, n := range m.names {
		group.Go(func() { m.keep(ctx, n) })
	}
	group.Wait()
}

// keep maintains the certificate of one name.
func (m *Manager) keep(ctx context.Context, n *name) {
	for wait := jitter(startSpread); sleep(ctx, wait); {
		wait = m.attend(ctx, n)
	}
}

// attend checks one name, orders if necessary, and returns when to check again.
func (m *Manager) attend(ctx context.Context, n *name) (wait time.Duration) {
	if !m.readable(ctx, n) {
		return lookSoon
	}
	if n.wants(m.now(), m.lease != nil) {
		if m.lease == nil {
			m.order(ctx, ctx, n)
		} else if !m.orderAlone(ctx, n) {
			return n.blockedFor(m.now())
		}
	}
	n.blocked = 0
	at, wanting := n.due()
	most := lookLater
	switch {
	case m.lease != nil && n.underWay(m.now()):
		most = lookAtOrder
	case wanting:
		most = lookSoon // another server may have it already
	}
	return max(time.Second, min(at.Sub(m.now()), most))
}

// readable reloads the name from the cache and reports whether that succeeded. Otherwise nothing
// must be ordered, because the cache may hold another server's certificate or a recent refusal by
// the CA.
func (m *Manager) readable(ctx context.Context, n *name) bool {
	n.mu.Lock()
	was := n.unread
	n.mu.Unlock()
	err := m.look(ctx, n)
	if errors.Is(err, errUnread) {
		if was == "" && ctx.Err() == nil {
			m.log.LogAttrs(ctx, slog.LevelError, "nothing is ordered while the cache of ACME cannot be read", slog.String("host", n.host), slog.Any("error", err))
		}
		return false
	}
	if err != nil {
		m.log.LogAttrs(ctx, slog.LevelDebug, "the cache of ACME is not whole", slog.String("host", n.host), slog.Any("error", err))
	}
	return true
}

// sleep waits for d and reports whether ctx is still valid.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// renewAt returns when this server renews: at a random point in the first tenth of the renewal
// period.
func (n *name) renewAt(c *x509.Certificate) time.Time {
	at := certgen.RenewAt(c)
	return at.Add(time.Duration(n.spread * 0.1 * float64(c.NotAfter.Sub(at))))
}

// order places one order. It first records it as failed, in case of a crash. The order is abandoned
// when held ends, possibly before ctx.
func (m *Manager) order(ctx, held context.Context, n *name) {
	n.mu.Lock()
	was := n.record
	n.mu.Unlock()
	if was.Begun {
		was.BrokenOff++
		m.answers.clear(ctx, n.host)
	}
	kinds := m.challenges(was)
	feared := was.refused(m.now(), len(kinds), "an order was begun, and nothing is known yet of its outcome")
	feared.Begun = true
	if err := writeRecord(ctx, m.cache, n.host, feared); err != nil {
		m.failed(ctx, n, was.unreached(m.now(), "nothing is ordered, since the cache cannot be written: "+err.Error()), false)
		return
	}
	n.mu.Lock()
	n.record = feared
	n.mu.Unlock()
	m.log.LogAttrs(ctx, slog.LevelInfo, "certificate ordered", slog.String("host", n.host), slog.String("directory", m.from), slog.Any("challenges", kinds))
	limited, cancel := context.WithTimeout(held, orderTimeout)
	result, err := m.issuer.issue(limited, n.host, kinds)
	cancel()
	now := m.now()
	switch {
	case err == nil:
		m.obtained(ctx, n, was, result)
	case lost(ctx, held):
		m.log.LogAttrs(ctx, slog.LevelWarn, "an order is given up, another server has taken over", slog.String("host", n.host))
	case ctx.Err() != nil: // shutdown: neither the name nor the CA is to blame
		r := was.unreached(now, "the server was stopped during the order")
		_ = writeRecord(context.WithoutCancel(ctx), m.cache, n.host, r) // otherwise the advance record applies
	case result.refusals > 0 || heard(err):
		r := was.refused(now, max(1, result.refusals), reason(err))
		r.Problem = problemType(err)
		if at := now.Add(patience(err)); at.After(r.NextTry) {
			r.NextTry = at.UTC()
		}
		m.failed(ctx, n, r, true)
	default:
		m.failed(ctx, n, was.unreached(now, reason(err)), true)
	}
}

// challenges returns the challenge types to try, the last successful one first.
func (m *Manager) challenges(r record) []string {
	kinds := slices.Clone(m.kinds)
	if i := slices.Index(kinds, r.Challenge); i > 0 {
		kinds[0], kinds[i] = kinds[i], kinds[0]
	}
	return kinds
}

// obtained serves a new certificate, then stores it in the cache. A failure to store it does not
// prevent serving it. It is stored even during shutdown, because otherwise the next start would
// order another.
func (m *Manager) obtained(ctx context.Context, n *name, was record, result issued) {
	ctx = context.WithoutCancel(ctx)
	r := record{Directory: m.from, Challenge: result.challenge, Obtained: m.now().UTC()}
	if r.Challenge == "" {
		r.Challenge = was.Challenge
	}
	n.mu.Lock()
	n.serving.Store(served(result.pair))
	m.log.LogAttrs(ctx, slog.LevelInfo, "certificate obtained", attributes(n.host, result.pair)...)
	n.record, n.foreign, n.unkept = r, false, false
	n.obtained++
	n.mu.Unlock()
	data, err := encodePair(result.pair)
	if err == nil {
		err = m.cache.Put(ctx, n.host, data)
	}
	if err == nil {
		err = writeRecord(ctx, m.cache, n.host, r)
	}
	if err != nil {
		m.log.LogAttrs(ctx, slog.LevelError, "the certificate cannot be kept, a restart will want another", slog.String("host", n.host), slog.Any("error", err))
	}
}

// failed records and logs a failed order. keep is false if the cache cannot be written.
func (m *Manager) failed(ctx context.Context, n *name, r record, keep bool) {
	if keep {
		if err := writeRecord(ctx, m.cache, n.host, r); err != nil { // the advance record remains
			keep = false
			m.log.LogAttrs(ctx, slog.LevelWarn, "the cache of ACME cannot be written", slog.String("host", n.host), slog.Any("error", err))
		}
	}
	n.mu.Lock()
	n.record, n.unkept = r, !keep
	n.failed++
	n.mu.Unlock()
	m.log.LogAttrs(ctx, slog.LevelError, "no certificate from the ACME directory", slog.String("host", n.host), slog.String("directory", m.from),
		slog.String("reason", r.Reason), slog.Time("next_try", r.NextTry))
}
