package auth

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"math"
	"sync"
	"time"

	"packhouse/server/lru"
)

const (
	// mostSignIns bounds the number of stored passwords and of stored addresses.
	mostSignIns = 10_000
	// passwordLife and addressLife are how long a sign-in counts.
	passwordLife = 30 * 24 * time.Hour
	addressLife  = 7 * 24 * time.Hour
	// refreshAfter is the minimum age of a stored time before another sign-in updates the record.
	refreshAfter = 12 * time.Hour
	// hintBits is the number of bits stored per password.
	//
	// The stored bits give the first sign-in after a restart priority over guesses. They cannot
	// confirm a password: one guess in 2^hintBits matches by chance, so bcrypt still has to run. An
	// attacker who obtains this record, its key and the htpasswd file can skip bcrypt for
	// non-matching guesses, so each bit weakens the hash by one step of bcrypt cost: with 4 bits,
	// cost 12 resists like cost 8. More bits would order attempts better and protect less. Without
	// the htpasswd file the record reveals nothing about passwords, because the key also signs the
	// stored hash with its 128-bit salt.
	hintBits = 4
)

// signIns is the sign-in record: a hint of each user's last verified password, and the addresses
// that users signed in from. It survives restarts. It only affects who is served first; a lost or
// forged record lets no one in.
type signIns struct {
	mu        sync.Mutex
	key       [sha256.Size]byte
	mac       hash.Hash
	passwords lru.Map[signInID, signIn]
	addresses lru.Map[signInID, signIn]
	exact     lru.Map[signInID, struct{}] // users in this process's credentials cache, which makes hints unnecessary
	changed   chan struct{}               // holds a value while there are unsaved changes
}

// signInID is a keyed hash of a user and stored hash, or of an address.
type signInID [8]byte

type signIn struct {
	hint byte
	last uint32 // Unix hours
}

func newSignIns() *signIns {
	s := &signIns{changed: make(chan struct{}, 1)}
	_, _ = rand.Read(s.key[:]) // never fails: crypto/rand ends the process instead
	s.reset()
	return s
}

// reset drops all entries and uses the current key.
func (s *signIns) reset() {
	s.mac = hmac.New(sha256.New, s.key[:])
	s.passwords = lru.NewMap[signInID, signIn](mostSignIns)
	s.addresses = lru.NewMap[signInID, signIn](mostSignIns)
	s.exact = lru.NewMap[signInID, struct{}](mostSignIns)
}

func (s *signIns) id(fields ...string) (id signInID) {
	copy(id[:], sumFields(s.mac, nil, fields...))
	return id
}

func (s *signIns) hintOf(user string, stored []byte, password string) byte {
	return sumFields(s.mac, nil, "hint", user, string(stored), password)[0] >> (8 - hintBits)
}

// hints reports whether the stored bits match: always for the last verified password, and by chance
// for others. It returns false once this process has verified the password itself.
func (s *signIns) hints(user string, stored []byte, password string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	hint := s.hintOf(user, stored, password) // computed even for users who never signed in, to take the same time
	id := s.id("user", user, string(stored))
	known, ok := s.passwords.Get(id)
	_, exact := s.exact.Get(id)
	return ok && !exact && known.within(passwordLife, now) && known.hint == hint
}

// familiar reports whether a user has signed in from the address.
func (s *signIns) familiar(address string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.addresses.Get(s.id("address", address))
	return ok && known.within(addressLife, now)
}

// verified records that a password was right.
func (s *signIns) verified(user string, stored []byte, password string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.id("user", user, string(stored))
	s.exact.Put(id, struct{}{})
	s.record(s.passwords, id, s.hintOf(user, stored, password), now)
}

// welcome records that a user signed in from the address.
func (s *signIns) welcome(address string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record(s.addresses, s.id("address", address), 0, now)
}

func (s *signIns) record(in lru.Map[signInID, signIn], id signInID, hint byte, now time.Time) {
	known, ok := in.Get(id)
	if ok && known.hint == hint && known.within(refreshAfter, now) {
		return
	}
	in.Put(id, signIn{hint: hint, last: hours(now)})
	s.touch()
}

// touch marks the record as unsaved.
func (s *signIns) touch() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// hours returns a time in Unix hours.
func hours(t time.Time) uint32 {
	return uint32(min(max(0, t.Unix()/3600), math.MaxUint32)) //nolint:gosec // it is in range
}

// within reports whether a sign-in is more recent than life. One in the future, because the clock
// was set back, is not.
func (k signIn) within(life time.Duration, now time.Time) bool {
	age := time.Duration(int64(hours(now))-int64(k.last)) * time.Hour
	return age >= 0 && age < life
}

// signInMagic begins a stored record. It is followed by the key, the number of passwords and their
// entries, the same for addresses, and a SHA-256 of everything before it, so that an incomplete
// record is detected and discarded.
const signInMagic = "packhouse sign-ins 1\n"

// entrySize is the size of an entry in bytes: ID, hint and time.
const entrySize = len(signInID{}) + 1 + 4

// mostEncoded is the maximum size of a record in bytes.
const mostEncoded = len(signInMagic) + 2*sha256.Size + 2*(4+mostSignIns*entrySize)

// encode returns the record in its stored form.
func (s *signIns) encode() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := append([]byte(signInMagic), s.key[:]...)
	for _, of := range []lru.Map[signInID, signIn]{s.passwords, s.addresses} {
		b = binary.BigEndian.AppendUint32(b, uint32(of.Len())) //nolint:gosec // bounded
		of.Each(func(id signInID, k signIn) {
			b = append(append(b, id[:]...), k.hint)
			b = binary.BigEndian.AppendUint32(b, k.last)
		})
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

var errSignIns = errors.New("the sign-in record is incomplete or not one of this version")

// merge adds entries stored by another process, or by this one before a restart. If the keys
// differ, the stored key wins and entries made with the other are dropped.
func (s *signIns) merge(stored []byte) error {
	body := len(stored) - sha256.Size
	if body < len(signInMagic)+sha256.Size || len(stored) > mostEncoded || !bytes.HasPrefix(stored, []byte(signInMagic)) {
		return errSignIns
	}
	if sum := sha256.Sum256(stored[:body]); !bytes.Equal(sum[:], stored[body:]) {
		return errSignIns
	}
	rest := stored[len(signInMagic):body]
	s.mu.Lock()
	defer s.mu.Unlock()
	if key := [sha256.Size]byte(rest); key != s.key {
		s.key = key
		s.reset()
	}
	rest = rest[sha256.Size:]
	for _, of := range []lru.Map[signInID, signIn]{s.passwords, s.addresses} {
		if len(rest) < 4 {
			return errSignIns
		}
		n := int(binary.BigEndian.Uint32(rest))
		if rest = rest[4:]; n > mostSignIns || len(rest) < n*entrySize {
			return errSignIns
		}
		for ; n > 0; n, rest = n-1, rest[entrySize:] {
			id, values := signInID(rest), rest[len(signInID{}):]
			k := signIn{hint: values[0], last: binary.BigEndian.Uint32(values[1:])}
			if own, ok := of.Get(id); !ok || own.last < k.last {
				of.Put(id, k)
			}
		}
	}
	return nil
}
