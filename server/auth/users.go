package auth

import (
	"fmt"
	"strings"

	"packhouse/server/auth/htpasswd"
)

// users is the htpasswd file at one time. It never changes.
type users struct {
	accounts map[string]account
	dummy    []byte // what unknown users are compared with
	digest   string // htpasswd.File.Digest
}

// account is what is known of a user name.
type account struct {
	known bool
	hash  []byte // of an unknown user the dummy
	// pad is what a failure is compared with in addition where the hash costs less than others, so that it lasts as long.
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

// newUsers indexes a parsed file.
func newUsers(f *htpasswd.File) *users {
	most := f.MaxCost()
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

// padding makes up for what a hash costs less than the highest: each cost is twice the one before, so one of each from its own on to below
// the highest are together what is missing.
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

// dummyHash is a bcrypt hash that takes as long as any of this cost and that nobody has a password for. Its salt is public, which is no
// matter: what is compared with it is refused whatever comes out.
func dummyHash(cost int) []byte {
	return fmt.Appendf(nil, "$2a$%02d$%s", cost, strings.Repeat(".", 53))
}
