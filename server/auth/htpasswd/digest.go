package htpasswd

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// Digest returns the hexadecimal SHA-256 of the users and their hashes. Two files have the same
// digest exactly if they have the same users with the same hashes, regardless of comments and
// order. It identifies the loaded users without revealing a hash or a password.
func (f *File) Digest() string {
	users := f.Users()
	slices.Sort(users)
	h := sha256.New()
	for _, user := range users {
		hash, _ := f.Lookup(user)
		fmt.Fprintf(h, "%d:%s %d:%s\n", len(user), user, len(hash), hash)
	}
	return hex.EncodeToString(h.Sum(nil))
}
