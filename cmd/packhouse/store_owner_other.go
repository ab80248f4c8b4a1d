//go:build !unix

package main

import "packhouse/server/config"

// becomeOwner does nothing on systems without Unix owners.
func becomeOwner(*config.Config) error { return nil }
