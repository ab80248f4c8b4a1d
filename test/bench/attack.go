package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Sign-ins while others guess, with bcrypt at cost 10. Each figure is the time until 95 % of the
// sign-ins are accepted, with retries after each Retry-After.
const (
	floodFirst    = "first sign-in, 300 networks guess"
	floodKnown    = "first sign-in from a known address, 300 networks guess"
	floodVerified = "verified before a restart, 300 networks guess"
	sameFirst     = "first sign-in, a guesser at the same address"
	sameVerified  = "verified before a restart, a guesser at the same address"
	sameCached    = "verified, a guesser at the same address, no retries"
)

const (
	attackCost     = 10
	attackNetworks = 300
	attackSamples  = 20
	sameSamples    = 6 // for each a guesser has to be at work for a while
	attackWarmUp   = 8 * time.Second
	guessInterval  = 200 * time.Millisecond // of a guesser at the same address
	signInLimit    = time.Minute            // after which a sign-in counts as never accepted
)

func attackNames(options) []string {
	return []string{floodFirst, floodKnown, floodVerified, sameFirst, sameVerified, sameCached}
}

// attack is a server that is attacked, behind a listed proxy, so that requests may come from any
// address.
type attack struct {
	*bench
	users  string // the htpasswd file
	data   string
	server *target
	client *http.Client
}

// measureAttacks signs in while others guess. Only packhouse takes part: its peers limit nothing.
func measureAttacks(ctx context.Context, b *bench, wanted []string) error {
	a := &attack{
		bench: b, users: filepath.Join(b.dir, "attack-users"), data: filepath.Join(b.dir, "attack-data"),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * attackNetworks}, Timeout: signInLimit},
	}
	if err := a.writeUsers(); err != nil {
		return err
	}
	defer os.RemoveAll(a.data)
	b.report.columns = b.peers[:1]
	b.report.heading("Sign-ins under attack, bcrypt cost 10: time until 95 % are accepted",
		append(b.report.names(), "to the best", "target")...)
	for _, run := range []struct {
		names []string
		do    func(context.Context) (map[string][]time.Duration, error)
	}{
		{[]string{floodFirst, floodKnown, floodVerified}, a.flood},
		{[]string{sameFirst, sameVerified, sameCached}, a.sameAddress},
	} {
		if !slices.ContainsFunc(run.names, func(name string) bool { return slices.Contains(wanted, name) }) {
			continue
		}
		if err := a.restart(ctx); err != nil {
			return err
		}
		took, err := run.do(ctx)
		a.server.stop()
		if err != nil {
			return err
		}
		for _, name := range run.names {
			times := took[name]
			if len(times) == 0 || !slices.Contains(wanted, name) {
				continue
			}
			slices.Sort(times)
			p95 := times[(len(times)*95+99)/100-1]
			b.report.figures("attack", name, millis, []float64{p95.Seconds() * thousand}, []string{number(p95.Seconds() * thousand)})
		}
	}
	return nil
}

// writeUsers writes users who never signed in (new), will from a known address (known), and will
// before a restart (verified).
func (a *attack) writeUsers() error {
	hash, err := passwordHash(attackCost)
	if err != nil {
		return err
	}
	var text strings.Builder
	for i := range attackSamples {
		for _, kind := range []string{"new", "known", "verified"} {
			fmt.Fprintf(&text, "%s%d:%s\n", kind, i, hash)
		}
	}
	fmt.Fprintf(&text, "neighbour:%s\n", hash)
	if err := os.WriteFile(a.users, []byte(text.String()), 0o600); err != nil {
		return fmt.Errorf("write users: %w", err)
	}
	return nil
}

// restart starts a server on a new store, signs in who is known and verified, and starts another
// one on the same store.
func (a *attack) restart(ctx context.Context) error {
	if err := os.RemoveAll(a.data); err != nil {
		return err
	}
	p := a.peers[0]
	p.arguments = func(at place) ([]string, error) {
		text, err := commonConfiguration(at)
		if err != nil {
			return nil, err
		}
		text += "  trustedproxies: [127.0.0.1]\nauth:\n  htpasswd:\n    realm: bench\n    path: " + a.users + "\n"
		return serveBy(at, text)
	}
	for again := range 2 {
		var err error
		at := place{dir: filepath.Join(a.dir, "attack", strconv.Itoa(again)), data: a.data}
		if a.server, err = p.start(ctx, at, a.clients); err != nil {
			return fmt.Errorf("start: %w", err)
		}
		if again == 1 {
			return nil
		}
		for i := range attackSamples {
			verified := "verified" + strconv.Itoa(i)
			for _, s := range [][2]string{{"neighbour", knownAddress(i)}, {verified, verifiedAddress(i)}} {
				if _, status, err := a.try(ctx, s[0], password, s[1]); err != nil || status != http.StatusOK {
					return fmt.Errorf("sign in as %s: status %d, %w", s[0], status, err)
				}
			}
		}
		a.server.stop()
	}
	return nil
}

func knownAddress(i int) string    { return fmt.Sprintf("198.51.%d.1", i) }
func verifiedAddress(i int) string { return fmt.Sprintf("203.0.%d.1", i) }
func newAddress(i int) string      { return fmt.Sprintf("192.0.%d.1", i) }
func otherAddress(i int) string    { return fmt.Sprintf("172.16.%d.1", i) }

// try sends one request and returns the status and the Retry-After.
func (a *attack) try(ctx context.Context, name, secret, from string) (retry time.Duration, status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.server.base+"/v2/", nil)
	if err != nil {
		return 0, 0, err
	}
	r.SetBasicAuth(name, secret)
	r.Header.Set("X-Forwarded-For", from)
	response, err := a.client.Do(r)
	if err != nil {
		return 0, 0, err
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
	return time.Duration(seconds) * time.Second, response.StatusCode, nil
}

// signIn returns how long it takes until a sign-in is accepted; signInLimit if it never is.
func (a *attack) signIn(ctx context.Context, name, from string, retries bool) time.Duration {
	began := time.Now()
	for time.Since(began) < signInLimit {
		retry, status, err := a.try(ctx, name, password, from)
		if err == nil && status == http.StatusOK {
			return time.Since(began)
		}
		if !retries || ctx.Err() != nil {
			break
		}
		time.Sleep(max(retry, 100*time.Millisecond))
	}
	return signInLimit
}

// guess sends distinct wrong passwords at an interval until ctx is done.
func (a *attack) guess(ctx context.Context, group *sync.WaitGroup, every time.Duration, from string, name func(int) string) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			group.Go(func() {
				_, _, _ = a.try(ctx, name(n), fmt.Sprintf("guess %d from %s", n, from), from) // most are refused, as they should be
			})
		}
	}
}

// outcomes collects times from concurrent sign-ins.
type outcomes struct {
	mu   sync.Mutex
	took map[string][]time.Duration
}

func (o *outcomes) add(name string, took time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.took[name] = append(o.took[name], took)
}

// flood lets 300 addresses in 300 networks send one wrong password per second each, from the first
// second of the server on.
func (a *attack) flood(ctx context.Context) (map[string][]time.Duration, error) {
	attackers, end := context.WithCancel(ctx)
	var guesses, signIns sync.WaitGroup
	for i := range attackNetworks {
		guesses.Go(func() {
			time.Sleep(time.Duration(i) * time.Second / attackNetworks)
			a.guess(attackers, &guesses, time.Second, fmt.Sprintf("10.%d.%d.1", i/250, i%250), func(n int) string {
				return "verified" + strconv.Itoa((i+n)%attackSamples)
			})
		})
	}
	o := &outcomes{took: map[string][]time.Duration{}}
	for i := range attackSamples {
		number := strconv.Itoa(i)
		signIns.Go(func() { o.add(floodFirst, a.signIn(ctx, "new"+number, newAddress(i), true)) })
		signIns.Go(func() { o.add(floodKnown, a.signIn(ctx, "known"+number, knownAddress(i), true)) })
		signIns.Go(func() { o.add(floodVerified, a.signIn(ctx, "verified"+number, otherAddress(i), true)) })
		time.Sleep(2 * time.Second)
	}
	signIns.Wait()
	end()
	guesses.Wait()
	return o.took, ctx.Err()
}

// sameAddress lets a guesser at the address of a user send five distinct wrong passwords per
// second, for one user after another.
func (a *attack) sameAddress(ctx context.Context) (map[string][]time.Duration, error) {
	o := &outcomes{took: map[string][]time.Duration{}}
	for i := range sameSamples {
		verified, from := "verified"+strconv.Itoa(i), verifiedAddress(i)
		a.besides(ctx, verified, from, func() {
			o.add(sameVerified, a.signIn(ctx, verified, from, true))
			for range 5 {
				o.add(sameCached, a.signIn(ctx, verified, from, false))
				time.Sleep(guessInterval)
			}
		})
		first := "new" + strconv.Itoa(i)
		a.besides(ctx, first, newAddress(i), func() { o.add(sameFirst, a.signIn(ctx, first, newAddress(i), true)) })
	}
	return o.took, ctx.Err()
}

// besides signs in while a guesser has been at work for a while.
func (a *attack) besides(ctx context.Context, name, from string, signIn func()) {
	attacker, end := context.WithCancel(ctx)
	var guesses sync.WaitGroup
	guesses.Go(func() { a.guess(attacker, &guesses, guessInterval, from, func(int) string { return name }) })
	time.Sleep(attackWarmUp)
	signIn()
	end()
	guesses.Wait()
}
