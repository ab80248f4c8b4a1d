package storage

import (
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
)

// OwnedError reports that another process owns the store. Unknown fields are zero.
type OwnedError struct {
	PID   int
	Host  string
	Since time.Time
	Work  string // offline command that the process runs, such as "store gc"; empty: a server
}

// Error implements error.
func (e *OwnedError) Error() string {
	who := "another process"
	if e.PID > 0 {
		who = fmt.Sprintf("process %d", e.PID)
	}
	if e.Host != "" {
		who += " on " + e.Host
	}
	if e.Work != "" {
		who += " (packhouse " + e.Work + ")"
	}
	return "storage belongs to " + who + "; stop that one first, or ask it"
}

// ReferenceSizeError reports that a manifest states another size for content than the repository
// has. Sizes are in bytes.
type ReferenceSizeError struct {
	Digest digest.Digest
	Stated int64 // in the manifest
	Stored int64
}

// Error implements error.
func (e *ReferenceSizeError) Error() string {
	return fmt.Sprintf("%s has %d bytes, the manifest states %d", e.Digest, e.Stored, e.Stated)
}

// ForeignError reports that a directory contains something other than a store.
type ForeignError struct {
	Path  string // the directory
	Found string // an unknown name in it
}

// Error implements error.
func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s is not empty and holds no registry (found %q); name an empty directory or one that a registry filled", e.Path, e.Found)
}

// DamagedError reports that stored bytes do not match their digest. It matches ErrBlobDamaged, and
// ErrBlobUnknown or ErrManifestUnknown: for clients the content is missing until it is pushed
// again.
type DamagedError struct {
	Digest   string
	What     string // one sentence: the damage
	Manifest bool
}

// Error implements error.
func (e *DamagedError) Error() string { return fmt.Sprintf("%s is damaged: %s", e.Digest, e.What) }

// Is implements the interface errors.Is looks for.
func (e *DamagedError) Is(target error) bool {
	switch target {
	case ErrBlobDamaged:
		return true
	case ErrBlobUnknown:
		return !e.Manifest
	case ErrManifestUnknown:
		return e.Manifest
	}
	return false
}
