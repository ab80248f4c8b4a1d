package auth

import (
	"fmt"
	"strings"

	"packhouse/server/auth/htpasswd"
)

// users is an immutable snapshot of the htpasswd file.
type users struct {
	accounts map[string]account
	dummy    []byte // hash to compare with for unknown users
	digest   string // htpasswd.File.Digest
}

// account is the entry for a user name.
type account struct {
	known bool
	hash  []byte // the dummy for an unknown user
	// pad are hashes to also compare after a failure, so that it takes as long as for the highest
	// cost, up to costliest.
	pad [][]byte
}

func (u *users) lookup(user string) account {
	if u == nil {
		return account{}
	}
	if a, ok := u.accounts[user]; ok {
		return a
	}
	return account{hash: u.dummy}
}

// costliest bounds the cost of comparisons for unknown users and the padding, so that one costly
// hash does not let anyone spend seconds of CPU time per guess. Wrong passwords of a user with a
// higher cost take longer than those of others.
const costliest = 12

// newUsers indexes a parsed file.
func newUsers(f *htpasswd.File) *users {
	most := min(f.MaxCost(), costliest)
	u := &users{accounts: map[string]account{}, dummy: dummyHash(most), digest: f.Digest()}
	for _, name := range f.Users() {
		hash, ok := f.Lookup(name)
		if !ok {
			continue
		}
		u.accounts[name] = account{known: true, hash: hash, pad: padding(hash, most)}
	}
	return u
}

// padding returns dummy hashes that make up for a cost below the highest. Each cost step doubles
// the work, so one hash of each cost from the user's up to the highest, exclusive, adds the
// difference.
func padding(hash []byte, most int) [][]byte {
	cost, err := htpasswd.Cost(hash)
	if err != nil {
		return [][]byte{dummyHash(most)}
	}
	var pad [][]byte
	for ; cost < most; cost++ {
		pad = append(pad, dummyHash(cost))
	}
	return pad
}

// dummyHash returns a bcrypt hash of the given cost that no known password matches. Its public salt
// does not matter, because every comparison with it is refused.
func dummyHash(cost int) []byte {
	return fmt.Appendf(nil, "$2a$%02d$%s", cost, strings.Repeat(".", 53))
}
