package filesystem

import (
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage/disk"
)

// setAside moves a damaged blob out of the way, so that it is missing and the next push of the good bytes heals it. A manifest stays where
// it is: without it, distribution's collection would take its layers for garbage.
func (s *Store) setAside(d digest.Digest, info disk.Info, what string) (to string) {
	s.log.Error("stored blob is damaged", "digest", d, "what", what)
	leave, err := s.enter()
	if err != nil {
		return ""
	}
	defer leave()
	return s.quarantine(d, info)
}

// quarantine is setAside for callers that have entered and hold no lock. A blob that is still in the journal is checkpointed first:
// if the kernel lost its bytes, the checkpoint writes them again from the journal, and nothing is moved.
func (s *Store) quarantine(d digest.Digest, info disk.Info) (to string) {
	if err := s.unjournal(blobDir(d)); err != nil {
		s.log.Error("quarantine damaged blob: it stays, the journal still holds it", "digest", d, "error", err)
		return ""
	}
	defer s.locks.exclusive(d)()
	name := blobPath(d)
	if now, err := s.disk.Stat(name); err != nil || !now.Same(info) {
		return "" // healed or gone meanwhile
	}
	if info.Size <= maxManifest && s.isManifest(d) {
		return ""
	}
	to = quarantineDir + "/" + flat(d) + "." + strings.TrimPrefix(s.temporary(), stageDir+"/")
	if err := s.disk.Rename(name, to); err != nil {
		s.log.Error("set damaged blob aside", "digest", d, "error", err)
		return ""
	}
	dir := parentOf(name)
	if s.disk.Remove(dir) == nil { // else there is something odd in it, which stays
		dir = parentOf(dir)
	}
	if err := s.barrier.wait(nil, []string{dir, quarantineDir}); err != nil {
		s.log.Error("set damaged blob aside", "digest", d, "error", err)
	}
	return to
}
