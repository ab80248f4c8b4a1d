//go:build !unix

package setup

import "io/fs"

// tries is for systems with users as Unix has them.
func (account) tries(string, fs.FileMode) bool { return false }
