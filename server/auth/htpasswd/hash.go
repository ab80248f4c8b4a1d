package htpasswd

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"golang.org/x/crypto/bcrypt"
)

// Costs of bcrypt: each step doubles the work.
const (
	DefaultCost = 10 // about a tenth of a second
	MinCost     = 4  // the least that bcrypt knows
	MaxCost     = 16 // some seconds; one more and a handful of logins keeps a server busy
)

// MaxPasswordBytes is as much of a password as bcrypt sees. Bytes, not characters: "é" is two.
const MaxPasswordBytes = 72

var (
	// ErrPasswordTooLong is returned for a password over MaxPasswordBytes, whose tail bcrypt would ignore.
	ErrPasswordTooLong = errors.New("password is longer than 72 bytes")
	// ErrMismatch is returned by Verify for a wrong password.
	ErrMismatch = errors.New("password does not match")
)

// bcryptForm is a whole hash: cost, 22 characters of salt and 31 of hash.
var bcryptForm = regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$[./0-9A-Za-z]{53}$`)

// HashCost makes a bcrypt hash of the given cost, MinCost to MaxCost. It begins with $2y$, as those of Apache's htpasswd do, which every reader
// of such files takes. ErrPasswordTooLong over 72 bytes.
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
	hash[2] = 'y' // the same algorithm: $2a$ is how Go spells it, $2y$ how htpasswd does
	return hash, nil
}

// Verify compares a password with its hash. ErrMismatch where it is another one, ErrPasswordTooLong over 72 bytes, ErrNotBcrypt where the
// hash is none that Parse accepts; these last two do no work.
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

// Cost returns the cost of a bcrypt hash. ErrNotBcrypt where it is another kind, damaged, or of a cost outside MinCost to MaxCost; the cost
// is still returned in that last case.
func Cost(hash []byte) (int, error) {
	m := bcryptForm.FindSubmatch(hash)
	if m == nil {
		return 0, ErrNotBcrypt
	}
	cost, err := strconv.Atoi(string(m[1]))
	if err != nil || cost < MinCost || cost > MaxCost {
		return cost, ErrNotBcrypt
	}
	return cost, nil
}
