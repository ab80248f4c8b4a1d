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

// quarantine is setAside for whoever has entered.
func (s *Store) quarantine(d digest.Digest, info disk.Info) (to string) {
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
