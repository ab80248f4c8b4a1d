//go:build !unix

package main

import "packhouse/server/config"

// becomeOwner is for systems where files belong to users as Unix has it.
func becomeOwner(*config.Config) error { return nil }
