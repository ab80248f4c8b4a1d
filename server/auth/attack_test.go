package auth

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"packhouse/racetest"
	"packhouse/server/auth/htpasswd"
	"packhouse/server/config"
	"packhouse/server/problem"
)

// cost10 is what a comparison at bcrypt cost 10 takes on one of two cores under load.
const cost10 = 75 * time.Millisecond

// arena is an Authenticator whose comparisons take time, under the clock of a bubble.
type arena struct {
	*testing.T
	*Authenticator
	mu        sync.Mutex // protects Authenticator, which attackers use while restart replaces it
	path      string
	compared  atomic.Int64
	running   atomic.Int64
	processes atomic.Int64 // that were started
	group     sync.WaitGroup
	random    *rand.Rand      // used by one goroutine
	ctx       context.Context //nolint:containedctx // ends the attackers
	end       context.CancelFunc
}

// newArena makes an arena whose random delays follow from the seed.
func newArena(t *testing.T, seed uint64, l config.Lockout, users ...string) *arena {
	t.Helper()
	b := newBench(t, "")
	content := ""
	for _, u := range users {
		content += line(t, u, "right", lowCost)
	}
	b.write(content)
	a := &arena{T: t, path: b.path, random: rand.New(rand.NewPCG(seed, 1))} //nolint:gosec // no secret
	a.ctx, a.end = context.WithCancel(t.Context())
	a.restart(l, nil)
	return a
}

// restart replaces the Authenticator by one of a new process that has the sign-in record of the old
// one.
func (a *arena) restart(l config.Lockout, k Keeper) {
	a.Helper()
	fresh, err := NewAuthenticator(
		config.Auth{Method: config.AuthHtpasswd, Htpasswd: config.Htpasswd{Realm: "r", Path: a.path, Lockout: l}},
		Options{Slots: 2, Verify: a.verify},
	)
	if err != nil {
		a.Fatal(err)
	}
	if k != nil {
		if err := a.save(a.Context(), k); err != nil {
			a.Fatal(err)
		}
		if err := fresh.Restore(a.Context(), k); err != nil {
			a.Fatal(err)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.Authenticator = fresh
	a.processes.Add(1)
}

// elapse advances the fake clock of testing/synctest.
func elapse(d time.Duration) {
	time.Sleep(d) // fake time
}

func (a *arena) verify(hash, password []byte) error {
	if n := a.running.Add(1); n > 2*a.processes.Load() {
		a.Errorf("%d comparisons at once on two cores", n)
	}
	elapse(cost10)
	a.running.Add(-1)
	a.compared.Add(1)
	if string(hash) != fakeHash(string(password), lowCost) {
		return htpasswd.ErrMismatch
	}
	return nil
}

// lapse ends the lifetime of everything in the credentials cache.
func (a *arena) lapse() {
	a.cache.mu.Lock()
	defer a.cache.mu.Unlock()
	var keys []credential
	a.cache.good.Each(func(key credential, _ used) { keys = append(keys, key) })
	for _, key := range keys {
		entry, _ := a.cache.good.Get(key)
		entry.last = time.Time{}
	}
}

// stop ends the attack and waits for what is under way.
func (a *arena) stop() {
	a.end()
	a.group.Wait()
}

// once sends one request and returns whether it was accepted, and its Retry-After otherwise.
func (a *arena) once(user, password, from string) (accepted bool, retry time.Duration) {
	r := request(user, password, from)
	a.mu.Lock()
	current := a.Authenticator
	a.mu.Unlock()
	_, err := current.Authenticate(r.WithContext(context.WithoutCancel(a.ctx)))
	if err == nil {
		return true, 0
	}
	w := httptest.NewRecorder()
	problem.Write(w, r, err)
	seconds, _ := strconv.Atoi(w.Header().Get("Retry-After"))
	return false, time.Duration(seconds) * time.Second
}

// within reports whether a sign-in is accepted in time, with retries after each 429 if retries is
// set.
func (a *arena) within(limit time.Duration, retries bool, user, from string) bool {
	began := time.Now()
	for {
		accepted, wait := a.once(user, "right", from)
		if accepted {
			return time.Since(began) <= limit
		}
		if !retries || time.Since(began) > limit {
			return false
		}
		elapse(wait)
	}
}

// upTo returns a random part of a duration.
func (a *arena) upTo(d time.Duration) time.Duration {
	return time.Duration(a.random.Int64N(int64(d)))
}

// guess sends distinct wrong passwords at an interval, each on its own, until the attack ends.
func (a *arena) guess(every time.Duration, user, from string) {
	first := a.upTo(every)
	a.group.Go(func() {
		elapse(first)
		for n := 0; a.ctx.Err() == nil; n++ {
			a.group.Go(func() { a.once(user, fmt.Sprint(from, " guess ", n), from) })
			elapse(every)
		}
	})
}

// repeated sends each of its wrong passwords again and again, as a client with retries does, to
// look like one.
func (a *arena) repeated(every time.Duration, distinct int, user, from string) {
	a.group.Go(func() {
		for n := 0; a.ctx.Err() == nil; n++ {
			a.group.Go(func() { a.once(user, fmt.Sprint(from, " try ", n%distinct+n/(distinct*5)*distinct), from) })
			elapse(every)
		}
	})
}

// memoryKeeper is a Keeper in memory.
type memoryKeeper struct {
	mu     sync.Mutex
	record []byte
}

func (k *memoryKeeper) Load(context.Context) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.record, nil
}

func (k *memoryKeeper) Save(_ context.Context, record []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.record = record
	return nil
}

const sameAddress = "203.0.113.9"

// addresses returns those of attackers and users in a simulation.
func addresses(more ...string) []string {
	return racetest.Sample(append(more, sameAddress, "127.0.0.1"), []string{sameAddress})
}

// TestVerifiedPasswordSkipsLockout: while a client at the same address guesses, the right password
// is accepted without retries: from the cache, past its lifetime, and after a restart.
func TestVerifiedPasswordSkipsLockout(t *testing.T) {
	for _, from := range addresses("2001:db8::1") {
		for _, phase := range []string{"cached", "lapsed", "restarted"} {
			t.Run(phase+" at "+from, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a := newArena(t, 1, config.Lockout{}, "admin")
					if accepted, _ := a.once("admin", "right", from); !accepted {
						t.Fatal("cannot sign in without an attack")
					}
					if phase == "restarted" {
						a.restart(config.Lockout{}, &memoryKeeper{})
					}
					a.guess(200*time.Millisecond, "admin", from)
					time.Sleep(95 * time.Second)
					accepted, tries := 0, racetest.Sample(40, 20)
					for range tries {
						if a.within(5*time.Second, false, "admin", from) {
							accepted++
						}
						switch phase {
						case "lapsed":
							a.lapse()
							time.Sleep(7 * time.Second)
						case "restarted":
							a.restart(config.Lockout{}, &memoryKeeper{})
							time.Sleep(30 * time.Second)
						default:
							time.Sleep(7 * time.Second)
						}
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

// TestFirstSignInIsSlowed: a password that was never verified gets through from the address of a
// guesser, whether the guesser sends each password once, repeats them, or names many users.
func TestFirstSignInIsSlowed(t *testing.T) {
	for name, attack := range map[string]func(a *arena, from string){
		"distinct guesses": func(a *arena, from string) { a.guess(200*time.Millisecond, "new0", from) },
		"repeated guesses": func(a *arena, from string) { a.repeated(200*time.Millisecond, 8, "new0", from) },
		"a hundred users": func(a *arena, from string) {
			for i := range 100 {
				a.guess(20*time.Second, fmt.Sprint("user", i), from)
			}
		},
	} {
		for _, from := range addresses() {
			t.Run(name+" at "+from, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					accepted, seeds := uint64(0), racetest.Sample[uint64](20, 2)
					for seed := range seeds {
						a := newArena(t, seed, config.Lockout{}, "new0")
						attack(a, from)
						time.Sleep(time.Minute + a.upTo(time.Second))
						if a.within(30*time.Second, true, "new0", from) {
							accepted++
						}
						a.stop()
					}
					if accepted < seeds-seeds/20 {
						t.Errorf("%d of %d first sign-ins within 30 s", accepted, seeds)
					}
				})
			})
		}
	}
}

// TestGuessesPerHour: no client gets more than 4,000 distinct passwords compared per hour for a
// user and address, whatever the configuration says and however many it sends at once.
func TestGuessesPerHour(t *testing.T) {
	for name, l := range map[string]config.Lockout{
		"defaults":      {},
		"as lax as can": {Attempts: 1_000_000, Window: time.Second, Delay: time.Millisecond, MaxDelay: time.Millisecond},
		"strict":        {Attempts: 3, Delay: time.Second, MaxDelay: 5 * time.Minute},
	} {
		for _, phase := range []string{"never signed in", "restarted"} {
			t.Run(name+", "+phase, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a := newArena(t, 1, l, "admin")
					if phase == "restarted" {
						a.once("admin", "right", sameAddress)
						a.restart(l, &memoryKeeper{})
					}
					for range 2 { // 14,400 guesses per hour
						a.guess(500*time.Millisecond, "admin", sameAddress)
					}
					before := a.compared.Load()
					elapsed := racetest.Sample(time.Hour, 10*time.Minute)
					time.Sleep(elapsed)
					a.stop()
					if n := a.compared.Load() - before; n > 4000 || n < 10 {
						t.Errorf("%d distinct guesses in %v", n, elapsed)
					}
				})
			})
		}
	}
}

// TestRefusalsTellLittle: with an exemption for verified passwords each 429 says that a password is
// not the verified one. A client that collects them faster than 5 per second finds the exemption
// off for its address: the right password among the guesses is refused like the others, while a
// client on a connection that proved it, or with retries, gets in.
func TestRefusalsTellLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArena(t, 1, config.Lockout{}, "admin")
		owner := new(Connection)
		signIn := func() error {
			r := request("admin", "right", sameAddress)
			_, err := a.Authenticate(r.WithContext(WithConnection(context.WithoutCancel(a.ctx), owner)))
			return err
		}
		if err := signIn(); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			a.guess(100*time.Millisecond, "admin", sameAddress)
		}
		time.Sleep(time.Minute)
		refused := 0
		for range 50 {
			if accepted, _ := a.once("admin", "right", sameAddress); !accepted {
				refused++
			}
			if err := signIn(); err != nil {
				t.Errorf("on the connection that proved it: %v", err)
			}
			time.Sleep(5*time.Second + a.upTo(time.Second))
		}
		if refused < 25 {
			t.Errorf("the right password was refused %d times of 50 among guesses that were", refused)
		}
		if accepted, _ := a.once("admin", "right", elsewhere); !accepted {
			t.Error("refused at another address")
		}
		slow := 0
		for range 20 {
			if !a.within(30*time.Second, true, "admin", sameAddress) {
				slow++
			}
			time.Sleep(10 * time.Second)
		}
		if slow > 1 {
			t.Errorf("%d of 20 clients with retries had to wait longer than 30 s", slow)
		}
		a.stop()
	})
}

// TestFloodFromManyNetworks: 300 addresses in 300 networks send a wrong password per second each. A
// first sign-in takes its turn within 30 s, and one from a known address, or with a password that
// was verified before a restart, within 5 s.
func TestFloodFromManyNetworks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := racetest.Sample(3, 1)
		var first, fromKnown, verified int
		for run := range runs {
			a := newArena(t, uint64(run), config.Lockout{}, "admin", "known", "new")
			a.once("known", "right", home)
			a.once("admin", "right", elsewhere)
			a.restart(config.Lockout{}, &memoryKeeper{})
			for i := range 300 {
				a.guess(time.Second, "admin", fmt.Sprintf("10.%d.%d.1", i/250, i%250))
			}
			time.Sleep(time.Duration(run) * 20 * time.Second)
			done := make(chan bool, 3)
			go func() { done <- count(&first, a.within(30*time.Second, true, "new", "192.168.1.1")) }()
			go func() { done <- count(&fromKnown, a.within(5*time.Second, true, "new", home)) }()
			go func() { done <- count(&verified, a.within(5*time.Second, true, "admin", "192.168.2.1")) }()
			for range 3 {
				<-done
			}
			a.stop()
		}
		if first != runs || fromKnown != runs || verified != runs {
			t.Errorf("of %d runs: %d first sign-ins, %d from a known address, %d with a verified password in time", runs, first, fromKnown, verified)
		}
	})
}

// counting guards the counts of TestFloodFromManyNetworks.
var counting sync.Mutex

func count(n *int, ok bool) bool {
	counting.Lock()
	defer counting.Unlock()
	if ok {
		*n++
	}
	return ok
}

// TestSameTreatment: under attack the answers to wrong passwords of users who signed in, did not,
// or do not exist are alike.
func TestSameTreatment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := map[string]map[string]int{}
		for _, user := range []string{"signed-in", "idle", "unknown"} {
			a := newArena(t, 1, config.Lockout{}, "signed-in", "idle")
			a.once("signed-in", "right", elsewhere)
			answers[user] = map[string]int{}
			for n := range 40 {
				began := time.Now()
				r := request(user, fmt.Sprint("guess", n), sameAddress)
				_, err := a.Authenticate(r.WithContext(context.WithoutCancel(a.ctx)))
				refused := (*problem.Error)(nil)
				if !errors.As(err, &refused) {
					t.Fatal(err)
				}
				answers[user][fmt.Sprint(refused.Status, " after ", time.Since(began))]++
			}
			a.stop()
		}
		for _, user := range []string{"idle", "unknown"} {
			if fmt.Sprint(answers[user]) != fmt.Sprint(answers["signed-in"]) {
				t.Errorf("%s: %v, a user who signed in: %v", user, answers[user], answers["signed-in"])
			}
		}
	})
}

// TestForwardedConnectionProvesNothing: behind a proxy one connection carries many clients.
func TestForwardedConnectionProvesNothing(t *testing.T) {
	b := newBench(t, line(t, "ann", "right", lowCost))
	for _, tc := range []struct {
		client Client
		proves bool
	}{
		{Client{Addr: netip.MustParseAddr(home)}, true},
		{Client{Addr: netip.MustParseAddr(elsewhere)}, false},
		{Client{Addr: netip.MustParseAddr(home), Shared: true}, false},
	} {
		c := new(Connection)
		r := request("ann", "right", home)
		if _, err := b.Authenticate(r.WithContext(WithClient(WithConnection(r.Context(), c), tc.client))); err != nil {
			t.Fatal(err)
		}
		if !c.Authenticated() || (c.proven.Load() != nil) != tc.proves {
			t.Errorf("%+v: the connection proves its credentials: %v", tc.client, c.proven.Load() != nil)
		}
	}
}
