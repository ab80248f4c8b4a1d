package auth

import "sync/atomic"

// Stats counts what an Authenticator has done since it was created.
type Stats struct {
	Remembered uint64 // requests accepted from the credentials cache
	Rejected   uint64 // requests refused from the credentials cache
	Hashes     uint64 // bcrypt comparisons, including those for unknown users
	Failed     uint64 // wrong credentials that were not in the cache
	Locked     uint64 // requests delayed or refused after wrong passwords
	TurnedAway uint64 // requests refused because the queue was full
}

type stats struct {
	remembered, rejected, hashes, failed, locked, turnedAway atomic.Uint64
}

// Stats returns the counts so far.
func (a *Authenticator) Stats() Stats {
	s := &a.stats
	return Stats{
		Remembered: s.remembered.Load(), Rejected: s.rejected.Load(), Hashes: s.hashes.Load(),
		Failed: s.failed.Load(), Locked: s.locked.Load(), TurnedAway: s.turnedAway.Load(),
	}
}
