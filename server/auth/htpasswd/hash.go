package htpasswd

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/crypto/bcrypt"

	"packhouse/pattern"
)

// bcrypt costs: each step doubles the work.
const (
	DefaultCost = 10 // about 0.1 s
	MinCost     = 4  // the minimum of bcrypt
	MaxCost     = 16 // several seconds; with more, a handful of sign-ins would keep a server busy
)

// MaxPasswordBytes is the number of bytes of a password that bcrypt uses. "é" counts as two.
const MaxPasswordBytes = 72

var (
	// ErrPasswordTooLong is returned for a password over MaxPasswordBytes, whose tail bcrypt would
	// ignore.
	ErrPasswordTooLong = errors.New("password is longer than 72 bytes")
	// ErrMismatch is returned by Verify for a wrong password.
	ErrMismatch = errors.New("password does not match")
)

// bcryptForm is a complete hash: cost, 22 characters of salt and 31 of hash.
var bcryptForm = pattern.Lazy(`^\$2[aby]\$([0-9]{2})\$[./0-9A-Za-z]{53}$`)

// HashCost returns the bcrypt hash of a password with the given cost, MinCost to MaxCost. Its
// prefix is $2y$, as in Apache's htpasswd, which every htpasswd reader accepts. It returns
// ErrPasswordTooLong for a password over 72 bytes.
func HashCost(password []byte, cost int) ([]byte, error) {
	if len(password) > MaxPasswordBytes {
		return nil, ErrPasswordTooLong
	}
	if cost < MinCost || cost > MaxCost {
		return nil, fmt.Errorf("hash password: cost %d is not between %d and %d", cost, MinCost, MaxCost)
	}
	hash, err := bcrypt.GenerateFromPassword(password, cost)
	if err != nil {
		return nil, fmt.Errorf("hash password: %w", err)
	}
	hash[2] = 'y' // the same algorithm: Go writes $2a$, htpasswd $2y$
	return hash, nil
}

// Verify compares a password with a hash. It returns ErrMismatch if they do not match,
// ErrPasswordTooLong for a password over 72 bytes, and ErrNotBcrypt for a hash that Parse would
// reject. The latter two are returned without computing a hash.
func Verify(hash, password []byte) error {
	if len(password) > MaxPasswordBytes {
		return ErrPasswordTooLong
	}
	if _, err := Cost(hash); err != nil {
		return err
	}
	switch err := bcrypt.CompareHashAndPassword(hash, password); {
	case errors.Is(err, bcrypt.ErrMismatchedHashAndPassword):
		return ErrMismatch
	case err != nil:
		return ErrNotBcrypt // the cause could quote the hash
	}
	return nil
}

// Cost returns the cost of a bcrypt hash. It returns ErrNotBcrypt for another kind of hash, a
// damaged one, or a cost outside MinCost to MaxCost; in that last case, it also returns the cost.
func Cost(hash []byte) (int, error) {
	m := bcryptForm().FindSubmatch(hash)
	if m == nil {
		return 0, ErrNotBcrypt
	}
	cost, err := strconv.Atoi(string(m[1]))
	if err != nil || cost < MinCost || cost > MaxCost {
		return cost, ErrNotBcrypt
	}
	return cost, nil
}
