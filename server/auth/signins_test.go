package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// stored returns a record with ann's password and her address, and the time of her sign-in.
func stored(t *testing.T) (record []byte, at time.Time) {
	t.Helper()
	at = time.Unix(1_800_000_000, 0)
	s := newSignIns()
	s.verified("ann", []byte("hash"), "right", at)
	s.welcome(home, at)
	return s.encode(), at
}

func TestSignInsSurvive(t *testing.T) {
	record, at := stored(t)
	s := newSignIns()
	if err := s.merge(record); err != nil {
		t.Fatal(err)
	}
	day := 24 * time.Hour
	for _, tc := range []struct {
		name       string
		user, hash string
		after      time.Duration
		hinted     bool
		familiar   bool
	}{
		{"at once", "ann", "hash", 0, true, true},
		{"a week later", "ann", "hash", 7 * day, true, false},
		{"a month later", "ann", "hash", 30 * day, false, false},
		{"by a clock that was set back", "ann", "hash", -day, false, false},
		{"another hash", "ann", "other", 0, false, true},
		{"another user", "bob", "hash", 0, false, true},
	} {
		if got := s.hints(tc.user, []byte(tc.hash), "right", at.Add(tc.after)); got != tc.hinted {
			t.Errorf("%s: hinted %v, want %v", tc.name, got, tc.hinted)
		}
		if got := s.familiar(home, at.Add(tc.after)); got != tc.familiar {
			t.Errorf("%s: familiar %v, want %v", tc.name, got, tc.familiar)
		}
	}
	if s.familiar(elsewhere, at) {
		t.Error("an address that was never used is familiar")
	}
	s.verified("ann", []byte("hash"), "right", at)
	if s.hints("ann", []byte("hash"), "right", at) {
		t.Error("hinted although the credentials cache knows the password")
	}
}

// TestHintsConfirmNothing: of all passwords about one in sixteen matches, so the record confirms
// none.
func TestHintsConfirmNothing(t *testing.T) {
	record, at := stored(t)
	s := newSignIns()
	if err := s.merge(record); err != nil {
		t.Fatal(err)
	}
	matches := 0
	const guesses = 8000
	for i := range guesses {
		if s.hints("ann", []byte("hash"), fmt.Sprint("guess", i), at) {
			matches++
		}
	}
	if want := guesses >> hintBits; matches < want/2 || matches > 2*want {
		t.Errorf("%d of %d guesses match, want about %d", matches, guesses, want)
	}
	for _, secret := range []string{"ann", "right", home} {
		if bytes.Contains(record, []byte(secret)) {
			t.Errorf("the record contains %q", secret)
		}
	}
}

// TestDamagedRecord: whatever a crash leaves is discarded, and nothing is taken from it.
func TestDamagedRecord(t *testing.T) {
	record, at := stored(t)
	damaged := [][]byte{{}, []byte(signInMagic), append(slices.Clone(record), 0), make([]byte, mostEncoded+1)}
	for i := range record {
		cut, flipped := record[:i], slices.Clone(record)
		flipped[i] ^= 1
		damaged = append(damaged, cut, flipped)
	}
	for _, d := range damaged {
		s := newSignIns()
		if err := s.merge(d); !errors.Is(err, errSignIns) {
			t.Fatalf("%d bytes: %v", len(d), err)
		}
		if s.familiar(home, at) || s.hints("ann", []byte("hash"), "right", at) {
			t.Fatalf("%d bytes: something is taken from a damaged record", len(d))
		}
	}
}

// TestSignInsAreBounded: the record does not grow without bound, and keeps the newest.
func TestSignInsAreBounded(t *testing.T) {
	s, now := newSignIns(), time.Unix(1_800_000_000, 0)
	for i := range mostSignIns + 10 {
		s.verified(fmt.Sprint("user", i), []byte("hash"), "right", now)
		s.welcome(fmt.Sprint("address", i), now)
	}
	record := s.encode()
	if len(record) != mostEncoded {
		t.Errorf("the record has %d bytes, want %d", len(record), mostEncoded)
	}
	fresh := newSignIns()
	if err := fresh.merge(record); err != nil {
		t.Fatal(err)
	}
	if fresh.familiar("address0", now) || !fresh.familiar(fmt.Sprint("address", mostSignIns+9), now) {
		t.Error("the record does not keep the newest entries")
	}
}

// TestKeep: sign-ins are stored soon and at the end, together with those of other processes; a
// failure harms nothing.
func TestKeep(t *testing.T) {
	content := line(t, "ann", "right", lowCost) + line(t, "bob", "right", lowCost)
	synctest.Test(t, func(t *testing.T) {
		k := &failingKeeper{}
		first, second := newBenchWith(t, content, quick, Options{Now: time.Now}), newBenchWith(t, content, quick, Options{Now: time.Now})
		run := func(b *bench) (end func()) {
			if err := b.Restore(t.Context(), k); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				b.Keep(ctx, k)
				close(ended)
			}()
			return func() {
				cancel()
				<-ended
			}
		}
		endFirst, endSecond := run(first), run(second)
		first.try("ann", "right", home)
		time.Sleep(2 * keepDelay)
		second.try("bob", "right", elsewhere)
		time.Sleep(2 * keepDelay)
		k.fail.Store(true)
		first.try("bob", "right", elsewhere)
		time.Sleep(time.Minute)
		if first.try("ann", "right", elsewhere) != 0 {
			t.Error("a record that cannot be stored keeps users out")
		}
		k.fail.Store(false)
		second.try("ann", "right", "192.0.2.77")
		endFirst()
		endSecond()
		third := newBenchWith(t, content, quick, Options{Now: time.Now})
		if err := third.Restore(t.Context(), k); err != nil {
			t.Fatal(err)
		}
		for _, address := range []string{home, elsewhere, "192.0.2.77"} {
			if !third.signIns.familiar(address, time.Now()) {
				t.Errorf("%s is not familiar after a restart", address)
			}
		}
	})
}

var errKeeper = errors.New("the disk is full")

type failingKeeper struct {
	memoryKeeper
	fail atomic.Bool
}

func (k *failingKeeper) Save(ctx context.Context, record []byte) error {
	if k.fail.Load() {
		return errKeeper
	}
	return k.memoryKeeper.Save(ctx, record)
}

func FuzzSignIns(f *testing.F) {
	s := newSignIns()
	s.verified("ann", []byte("hash"), "right", time.Unix(1_800_000_000, 0))
	f.Add(s.encode())
	f.Fuzz(func(_ *testing.T, record []byte) {
		_ = newSignIns().merge(record) // it must not panic
	})
}
