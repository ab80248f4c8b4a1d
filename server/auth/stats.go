package auth

import "sync/atomic"

// Stats counts what an Authenticator has done since it was made.
type Stats struct {
	Remembered uint64 // requests let in by what was remembered
	Rejected   uint64 // requests refused by what was remembered
	Hashes     uint64 // comparisons with a bcrypt hash, those for unknown users included
	Failed     uint64 // wrong credentials that were not remembered yet
	Locked     uint64 // requests that had to wait after wrong passwords
	TurnedAway uint64 // requests that found the queue full
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
