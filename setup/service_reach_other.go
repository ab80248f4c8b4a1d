//go:build !unix

package setup

import "io/fs"

// tries always returns false: this system has no Unix users.
func (account) tries(string, fs.FileMode) bool { return false }
