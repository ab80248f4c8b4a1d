package auth

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"packhouse/racetest"
	"packhouse/server/config"
)

// onConnection sends one request on a connection and reports whether it was accepted.
func (a *arena) onConnection(c *Connection, user, password, from string) bool {
	r := request(user, password, from)
	a.mu.Lock()
	current := a.Authenticator
	a.mu.Unlock()
	_, err := current.Authenticate(r.WithContext(WithConnection(context.WithoutCancel(a.ctx), c)))
	return err == nil
}

// flood sends distinct wrong passwords in threads, each on a connection of its own and the next one an
// interval after each answer, until the attack ends.
func (a *arena) flood(threads int, every time.Duration, user, from string) {
	for thread := range threads {
		first := a.upTo(20 * time.Millisecond) // all of them before the first wrong password is found
		a.group.Go(func() {
			elapse(first)
			c := new(Connection)
			for n := 0; a.ctx.Err() == nil; n++ {
				a.onConnection(c, user, fmt.Sprint(from, " thread ", thread, " guess ", n), from)
				elapse(every)
			}
		})
	}
}

// TestVerifiedPasswordInFlood: 30 threads at the same address guess as fast as they can. The right
// password is accepted on new connections without retries: from the cache, past its lifetime, and
// after a restart.
func TestVerifiedPasswordInFlood(t *testing.T) {
	for _, from := range addresses() {
		for _, phase := range []string{"cached", "lapsed", "restarted"} {
			t.Run(phase+" at "+from, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a := newArena(t, 1, config.Lockout{}, "admin")
					if !a.onConnection(new(Connection), "admin", "right", from) {
						t.Fatal("cannot sign in without an attack")
					}
					keeper := &memoryKeeper{}
					if phase == "restarted" {
						a.restart(config.Lockout{}, keeper)
					}
					a.flood(30, 60*time.Millisecond, "admin", from) // up to 500 per second
					time.Sleep(20 * time.Second)
					accepted, tries := 0, racetest.Sample(20, 5)
					for range tries {
						began := time.Now()
						if a.onConnection(new(Connection), "admin", "right", from) && time.Since(began) <= 5*time.Second {
							accepted++
						}
						switch phase {
						case "lapsed":
							a.lapse()
						case "restarted":
							a.restart(config.Lockout{}, keeper)
							time.Sleep(10 * time.Second)
						}
						time.Sleep(time.Second + a.upTo(time.Second))
					}
					a.stop()
					if accepted < tries-tries/20 {
						t.Errorf("%d of %d right passwords accepted within 5 s", accepted, tries)
					}
				})
			})
		}
	}
}

// TestFirstSignInInFlood: a password that was never verified gets through with retries.
func TestFirstSignInInFlood(t *testing.T) {
	for _, from := range addresses() {
		t.Run(from, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				accepted, seeds := uint64(0), racetest.Sample[uint64](10, 1)
				for seed := range seeds {
					a := newArena(t, seed, config.Lockout{}, "new0")
					a.flood(30, 30*time.Millisecond, "new0", from) // up to 1,000 per second
					time.Sleep(15*time.Second + a.upTo(time.Second))
					if a.within(30*time.Second, true, "new0", from) {
						accepted++
					}
					a.stop()
				}
				if accepted < seeds {
					t.Errorf("%d of %d first sign-ins within 30 s", accepted, seeds)
				}
			})
		})
	}
}

// reconnect sends distinct wrong passwords in threads, each on a new connection as soon as the one
// before is answered, until the attack ends.
func (a *arena) reconnect(threads int, handshake time.Duration, user, from string) {
	for thread := range threads {
		first := a.upTo(20 * time.Millisecond)
		a.group.Go(func() {
			elapse(first)
			for n := 0; a.ctx.Err() == nil; n++ {
				a.onConnection(new(Connection), user, fmt.Sprint(from, " thread ", thread, " guess ", n), from)
				elapse(handshake)
			}
		})
	}
}

// TestVerifiedPasswordBesideConnections: up to 20 threads at the same address guess as fast as they
// can, each password on a new connection. The right password is accepted on new connections without
// retries, and what refusals reveal stays within the rate of inferences.
func TestVerifiedPasswordBesideConnections(t *testing.T) {
	for _, from := range []string{sameAddress, "2001:db8::1"} {
		for _, threads := range []int{8, 20} {
			for _, phase := range []string{"cached", "lapsed"} {
				t.Run(fmt.Sprint(phase, ", ", threads, " connections at ", from), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						a := newArena(t, 1, config.Lockout{}, "admin")
						if !a.onConnection(new(Connection), "admin", "right", from) {
							t.Fatal("cannot sign in without an attack")
						}
						a.reconnect(threads, 5*time.Millisecond, "admin", from)
						time.Sleep(30 * time.Second)
						accepted := 0
						for range 40 {
							began := time.Now()
							if a.onConnection(new(Connection), "admin", "right", from) && time.Since(began) <= 5*time.Second {
								accepted++
							}
							if phase == "lapsed" {
								a.lapse()
							}
							time.Sleep(time.Second + a.upTo(time.Second))
						}
						before, began := a.Stats().Locked, time.Now()
						time.Sleep(time.Minute)
						refused, most := a.Stats().Locked-before, uint64(time.Since(began)/inferences.interval)+uint64(threads)
						a.stop()
						if accepted < 38 {
							t.Errorf("%d of 40 right passwords accepted within 5 s", accepted)
						}
						if refused > most {
							t.Errorf("%d passwords refused without a comparison in a minute, want at most %d", refused, most)
						}
					})
				})
			}
		}
	}
}

// TestVerifiedPasswordAfterConnections: a flood of guesses on more connections than can wait leaves
// nothing behind. Beside eight connections, the right password is accepted again.
func TestVerifiedPasswordAfterConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArena(t, 1, config.Lockout{}, "admin")
		if !a.onConnection(new(Connection), "admin", "right", sameAddress) {
			t.Fatal("cannot sign in without an attack")
		}
		for n := range 2000 {
			a.group.Go(func() { a.onConnection(new(Connection), "admin", fmt.Sprint("guess ", n), sameAddress) })
			elapse(5 * time.Millisecond)
		}
		a.reconnect(8, 5*time.Millisecond, "admin", sameAddress)
		elapse(10 * time.Second)
		accepted := 0
		for range 10 {
			began := time.Now()
			if a.onConnection(new(Connection), "admin", "right", sameAddress) && time.Since(began) <= 5*time.Second {
				accepted++
			}
			elapse(time.Second)
		}
		a.stop()
		if accepted < 9 {
			t.Errorf("%d of 10 right passwords accepted within 5 s", accepted)
		}
	})
}
