package acme

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"packhouse/racetest"
)

// oneAtATime has an order take a while, and tells when two for one name are under way at once.
func oneAtATime(t *testing.T, ca *fakeCA, d time.Duration) {
	var mu sync.Mutex
	under := map[string]int{}
	ca.during = func(host string) {
		mu.Lock()
		under[host]++
		if under[host] > 1 {
			t.Errorf("two orders at once for %s", host)
		}
		mu.Unlock()
		elapse(d)
		mu.Lock()
		under[host]--
		mu.Unlock()
	}
}

// TestReplicasOrderOnce: of any number of servers that start together one orders each name; all serve what it got, soon after; and so at the
// renewal.
func TestReplicasOrderOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 70*24*time.Hour)
		defer cancel()
		ca, b := newFakeCA(t), newBucket()
		oneAtATime(t, ca, 20*time.Second)
		hosts := []string{host, "other.example.com", "third.example.com"}
		var all []*replica
		for range 5 {
			all = append(all, b.join(ctx, t, ca, Options{Hosts: hosts}))
		}
		same := func(when string) {
			t.Helper()
			for _, r := range all {
				for _, h := range hosts {
					if c := shown(t, r.Manager, h); c == r.standIn || !c.Leaf.Equal(shown(t, all[0].Manager, h).Leaf) {
						t.Errorf("%s: not all serve the same certificate of %s", when, h)
					}
				}
			}
		}
		time.Sleep(2 * time.Minute) // three orders, and what it takes to hear of them
		same("at the start")
		if n := ca.count(); n != 3 {
			t.Errorf("%d orders for three names", n)
		}
		first := shown(t, all[0].Manager, host).Leaf
		time.Sleep(65 * 24 * time.Hour) // a renewal, within a tenth of the time that there is for it
		same("after the renewal")
		if n := ca.count(); n != 6 || shown(t, all[0].Manager, host).Leaf.Equal(first) {
			t.Errorf("%d orders after one renewal of three names", n)
		}
		late := b.join(ctx, t, ca, Options{Hosts: hosts})
		if shown(t, late.Manager, host) == late.standIn {
			t.Error("a server that joins does not serve what is there from its first moment on")
		}
		time.Sleep(time.Minute)
		if n := ca.count(); n != 6 {
			t.Errorf("%d orders after a server joined", n)
		}
	})
}

// TestReplicasLookAgain: who gets the lease after another one had it finds out what that one did, however slow the bucket is.
func TestReplicasLookAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ca, b := newFakeCA(t), newBucket()
		for range 20 {
			b.join(ctx, t, ca, Options{})
		}
		b.slowDown(700 * time.Millisecond)
		time.Sleep(5 * time.Minute)
		if n := ca.count(); n != 1 {
			t.Errorf("%d orders", n)
		}
	})
}

// TestHangingNames: names for which the CA comes to no end, or says no, hold up no other: neither the first certificate nor the renewal, with
// or without others that share the cache, whichever server has taken to them.
func TestHangingNames(t *testing.T) {
	good := []string{"a.example.com", "b.example.com"}
	hosts := []string{"hangs.example.com", good[0], "fails.example.com", "also.hangs.example.com", good[1]}
	for _, servers := range racetest.Sample([]int{0, 1, 3}, []int{3}) { // 0: one with a cache to itself
		t.Run(fmt.Sprint(servers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				ca, b := newFakeCA(t), newBucket()
				ca.life = 3
				ca.hangs = func(host string) bool { return strings.Contains(host, "hangs") }
				ca.fail = func(host string) error {
					if strings.HasPrefix(host, "fails") {
						return refusal("192.0.2.7: Connection refused")
					}
					return nil
				}
				var all []*Manager
				for range servers {
					all = append(all, b.join(ctx, t, ca, Options{Hosts: hosts}).Manager)
				}
				if servers == 0 {
					all = []*Manager{newManager(t, ca, Options{Hosts: hosts, Cache: Directory(t.TempDir())})}
					background(ctx, t, all[0])
				}
				soon := startSpread + time.Second
				if servers > 1 { // who is not the one that orders hears of it
					soon += lookAtOrder * 3
				}
				time.Sleep(soon)
				for _, m := range all {
					for _, h := range good {
						if shown(t, m, h) == m.standIn {
							t.Errorf("%s waits for the others", h)
						}
					}
				}
				time.Sleep(60 * time.Hour)
				for _, m := range all {
					for i, s := range m.States() {
						if ok := slices.Contains(good, hosts[i]); ok != (s.Leaf != nil) || ok != (s.Fault() == "") || ok && time.Until(s.Leaf.NotAfter) < 48*time.Hour {
							t.Errorf("after the renewal: %+v", s)
						}
					}
				}
				orders := map[string]int{}
				for _, c := range ca.made() {
					orders[c.host]++
				}
				for _, h := range good {
					if orders[h] != 2 {
						t.Errorf("%d orders for %s", orders[h], h)
					}
				}
			})
		})
	}
}

// TestReplicasCoolDown: a name that fails makes one order for each cool-down, however many servers there are and however often they start.
func TestReplicasCoolDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, b := newFakeCA(t), newBucket()
		oneAtATime(t, ca, 3*time.Second)
		ca.fail = func(string) error { return refusal("192.0.2.7: Connection refused") }
		began := time.Now()
		for time.Since(began) < 24*time.Hour { // four servers, restarted every minute for a day
			ctx, cancel := context.WithCancel(t.Context())
			for range 4 {
				b.join(ctx, t, ca, Options{})
			}
			time.Sleep(time.Minute)
			cancel()
			synctest.Wait()
		}
		var within []int
		for _, hours := range []time.Duration{1, 3, 24} {
			n := 0
			for _, c := range ca.made() {
				if c.at.Sub(began) < hours*time.Hour {
					n++
				}
			}
			within = append(within, n)
		}
		// An order that a stop cut short is placed again a minute later, as with one server: one in twenty, and so three at most.
		for i, least := range []int{2, 4, 8} {
			if within[i] < least || within[i] > least+5 {
				t.Errorf("orders within 1, 3 and 24 hours: %v", within)
				break
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r := b.join(ctx, t, ca, Options{})
		if s := r.States()[0]; !strings.Contains(s.Failure, "192.0.2.7: Connection refused") || !s.NextTry.After(time.Now()) {
			t.Errorf("a server that joins does not know of the failure: %+v", s)
		}
	})
}

// TestReplicaDies: an order whose server dies is taken over once its lease has run out, at once and once; then the cool-down has to pass.
func TestReplicaDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, b := newFakeCA(t), newBucket()
		var all []*replica
		started := make(chan struct{}, 10)
		ca.during = func(string) {
			started <- struct{}{}
			time.Sleep(30 * time.Second)
		}
		for range 4 {
			all = append(all, b.join(t.Context(), t, ca, Options{}))
		}
		killHolder := func() time.Time {
			t.Helper()
			<-started
			time.Sleep(10 * time.Second)
			b.mu.Lock()
			holder := b.held[host].by
			b.mu.Unlock()
			b.put(proofKey(host), "left over")
			holder.kill()
			return time.Now()
		}
		died := killHolder()
		again := killHolder()
		placed := ca.call(1).at.Sub(died)
		if placed < leaseLife || placed > leaseLife+15*time.Second {
			t.Errorf("taken over %s after the death", placed)
		}
		if left := b.entry(proofKey(host)); ca.count() != 2 || left == "" {
			t.Fatalf("%d orders, %q", ca.count(), left)
		}
		time.Sleep(19 * time.Minute)
		if n := ca.count(); n != 2 {
			t.Errorf("%d orders within the cool-down, though two servers died over them", n)
		}
		time.Sleep(30 * time.Minute)
		if placed := ca.call(ca.count() - 1).at.Sub(again); ca.count() != 3 || placed < 19*time.Minute {
			t.Errorf("%d orders, the last %s after the second death", ca.count(), placed)
		}
		if b.entry(proofKey(host)) != "" {
			t.Error("what the dead one put up is still there")
		}
		for _, r := range all {
			if !r.dead && r.States()[0].Leaf == nil {
				t.Errorf("%+v", r.States())
			}
			r.cancel()
		}
		r, _, err := readRecord(t.Context(), &replica{bucket: b}, host, "https://ca.example/dir")
		if err != nil || r.BrokenOff != 0 || r.Begun {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// TestReplicasAreCheap counts what the bucket is asked for: idle, while a name cools down, and while another server orders.
func TestReplicasAreCheap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ca, b := newFakeCA(t), newBucket()
		for range 3 {
			b.join(ctx, t, ca, Options{})
		}
		time.Sleep(2 * time.Minute)
		if gets, writes, leases := b.asked(); gets > 40 || writes > 4 || leases > 12 {
			t.Errorf("to get a first certificate for three servers: %d reads, %d writes, %d leases", gets, writes, leases)
		}
		time.Sleep(24 * time.Hour)
		if gets, writes, leases := b.asked(); gets > 3*2*25 || writes+leases != 0 {
			t.Errorf("idle for a day: %d reads, %d writes, %d leases", gets, writes, leases)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ca, b := newFakeCA(t), newBucket()
		ca.fail = func(string) error { return refusal("192.0.2.7: Connection refused") }
		for range 3 {
			b.join(ctx, t, ca, Options{})
		}
		time.Sleep(24 * time.Hour)
		b.asked()
		time.Sleep(time.Hour)
		if gets, writes, leases := b.asked(); gets > 3*2*63 || writes > 4 || leases > 30 {
			t.Errorf("an hour of cool-down: %d reads, %d writes, %d leases", gets, writes, leases)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ca, b := newFakeCA(t), newBucket()
		stuck := &replica{bucket: b}
		if _, _, ok, err := stuck.take(ctx, host); !ok || err != nil {
			t.Fatal(ok, err)
		}
		for range 3 {
			b.join(ctx, t, ca, Options{})
		}
		time.Sleep(10 * time.Minute)
		b.asked()
		time.Sleep(time.Hour)
		if gets, writes, leases := b.asked(); gets > 3*2*63 || writes != 0 || leases > 3*63 || ca.count() != 0 {
			t.Errorf("an hour of somebody else's lease: %d reads, %d writes, %d leases, %d orders", gets, writes, leases, ca.count())
		}
	})
}

// TestReplicaCannotRead: where it cannot be read what others did nothing is ordered, though it could be written.
func TestReplicaCannotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ca, b := newFakeCA(t), newBucket()
		b.unread = errors.New("503 slow down")
		r := b.join(ctx, t, ca, Options{})
		time.Sleep(time.Hour)
		gets, writes, _ := b.asked()
		if s := r.States()[0]; ca.count() != 0 || !strings.Contains(s.Fault(), "503 slow down") || writes != 0 || gets > 2*63 {
			t.Errorf("%d orders, %d writes, %d reads, %s", ca.count(), writes, gets, s.Fault())
		}
		b.mu.Lock()
		b.unread = nil
		b.mu.Unlock()
		time.Sleep(2 * time.Minute)
		if s := r.States()[0]; ca.count() != 1 || s.Fault() != "" {
			t.Errorf("after it was mended: %d orders, %s", ca.count(), s.Fault())
		}
	})
}

// TestRenewalCannotRead: that a renewal is due and nothing can be ordered is told of; that the cache cannot be read long before is not.
func TestRenewalCannotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ca, b := newFakeCA(t), newBucket()
		r := b.join(ctx, t, ca, Options{})
		time.Sleep(time.Minute)
		b.mu.Lock()
		b.unread = errors.New("503 slow down")
		b.mu.Unlock()
		time.Sleep(24 * time.Hour)
		if s := r.States()[0]; s.Fault() != "" || s.Unread == "" {
			t.Errorf("long before: %s", s.Fault())
		}
		time.Sleep(63 * 24 * time.Hour)
		if s := r.States()[0]; ca.count() != 1 || !strings.Contains(s.Fault(), "could not be renewed") || !strings.Contains(s.Fault(), "503 slow down") {
			t.Errorf("%d orders, %q", ca.count(), s.Fault())
		}
	})
}

// TestLeaseUnknown: where it cannot be told whether another server orders nothing is ordered.
func TestLeaseUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ca, b := newFakeCA(t), newBucket()
		b.join(ctx, t, ca, Options{Lease: func(context.Context, string) (context.Context, func(), bool, error) {
			return nil, nil, false, errors.New("503 slow down")
		}})
		time.Sleep(time.Hour)
		if _, writes, _ := b.asked(); ca.count() != 0 || writes != 0 {
			t.Errorf("%d orders, %d writes", ca.count(), writes)
		}
	})
}

// TestLeaseLost: an order whose lease is lost is given up, and what is remembered is left to who has it now.
func TestLeaseLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ca, b := newFakeCA(t), newBucket()
		started := make(chan struct{}, 2)
		ca.during = func(string) {
			started <- struct{}{}
			time.Sleep(20 * time.Second)
		}
		b.join(ctx, t, ca, Options{})
		<-started
		theirs := fmt.Sprintf(`{"directory":"https://ca.example/dir","refusals":3,"nextTry":%q,"reason":"theirs"}`, time.Now().Add(5*time.Hour).Format(time.RFC3339))
		b.put(recordKey(host), theirs)
		b.mu.Lock()
		b.held[host].lose(errors.New("another process has taken over"))
		b.mu.Unlock()
		time.Sleep(time.Hour)
		if got := b.entry(recordKey(host)); got != theirs || ca.count() != 1 {
			t.Errorf("%d orders; remembered: %s", ca.count(), got)
		}
	})
}

// TestFollow: a server that may not write orders nothing, and takes over what others do.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ca, b := newFakeCA(t), newBucket()
		r := b.join(ctx, t, ca, Options{Lease: Follow})
		time.Sleep(24 * time.Hour)
		gets, writes, _ := b.asked()
		if fault := r.States()[0].Fault(); ca.count() != 0 || writes != 0 || gets > 2*24*63 || !strings.Contains(fault, "not been ordered") {
			t.Errorf("%d orders, %d writes, %d reads, %s", ca.count(), writes, gets, fault)
		}
		b.join(ctx, t, ca, Options{})
		time.Sleep(2 * time.Minute)
		if r.States()[0].Leaf == nil || ca.count() != 1 {
			t.Errorf("%d orders, %+v", ca.count(), r.States()[0])
		}
	})
}

// TestReplicasChangeDirectory: all servers go over to a certificate of the directory in use, though one of another lasts longer; and none
// forgets that it is wanting because the first order failed.
func TestReplicasChangeDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		staging, b := newFakeCA(t), newBucket()
		staging.life = 365
		old := b.join(ctx, t, staging, Options{Directory: "https://staging.example/dir"})
		time.Sleep(time.Minute)
		old.cancel()
		ca := newFakeCA(t)
		ca.fail = func(string) error { return refusal("192.0.2.7: Connection refused") }
		for range 2 { // the second pair starts after the failure
			pair := []*replica{b.join(ctx, t, ca, Options{}), b.join(ctx, t, ca, Options{})}
			time.Sleep(2 * time.Minute)
			if ca.count() != 1 || shown(t, pair[1].Manager, host) == pair[1].standIn {
				t.Errorf("%d orders, %+v", ca.count(), pair[1].States())
			}
			pair[0].cancel()
			pair[1].cancel()
		}
		ca.fail = nil
		pair := []*replica{b.join(ctx, t, ca, Options{}), b.join(ctx, t, ca, Options{})}
		time.Sleep(20 * time.Minute)
		for _, r := range pair {
			if ca.count() != 2 || shown(t, r.Manager, host).Leaf.CheckSignatureFrom(ca.ca.Leaf()) != nil {
				t.Errorf("%d orders; served until %s", ca.count(), shown(t, r.Manager, host).Leaf.NotAfter)
			}
		}
	})
}
