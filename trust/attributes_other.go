//go:build !linux

package trust

import "os"

// ReadAttributes returns nothing: extended attributes are kept on Linux only.
func ReadAttributes(*os.File) (kept Attributes, dropped []string, err error) { return nil, nil, nil }

// Set does nothing.
func (a Attributes) Set(*os.File) error { return nil }
