//go:build !unix

package machine

import "io/fs"

// Tries always returns false: this system has no Unix users.
func (Account) Tries(string, fs.FileMode) bool { return false }
