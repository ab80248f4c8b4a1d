//go:build !unix

package deployment

import "packhouse/server/config"

// BecomeOwner does nothing on systems without Unix owners.
func BecomeOwner(*config.Config) error { return nil }
