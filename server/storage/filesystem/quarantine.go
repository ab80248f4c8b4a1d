package filesystem

import (
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage/disk"
)

// setAside moves a damaged blob to quarantine, so that it is missing and the next push of the
// intact bytes restores it. A manifest is not moved: without it, distribution's garbage collection
// would remove its layers.
func (s *Store) setAside(d digest.Digest, info disk.Info, what string) (to string) {
	s.log.Error("stored blob is damaged", "digest", d, "what", what)
	leave, err := s.enter()
	if err != nil {
		return ""
	}
	defer leave()
	return s.quarantine(d, info)
}

// quarantine is setAside for callers that have called enter and hold no lock. A blob that is still
// in the journal is checkpointed first: if the kernel lost its content, the checkpoint writes it
// again from the journal, and nothing is moved.
func (s *Store) quarantine(d digest.Digest, info disk.Info) (to string) {
	if err := s.unjournal(blobDir(d)); err != nil {
		s.log.Error("quarantine damaged blob: it stays, the journal still holds it", "digest", d, "error", err)
		return ""
	}
	defer s.locks.exclusive(d)()
	name := blobPath(d)
	if now, err := s.disk.Stat(name); err != nil || !now.Same(info) {
		return "" // restored or deleted in the meantime
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
	if s.disk.Remove(dir) == nil { // fails if it contains other files, which stay
		dir = parentOf(dir)
	}
	if err := s.barrier.wait(nil, []string{dir, quarantineDir}); err != nil {
		s.log.Error("set damaged blob aside", "digest", d, "error", err)
	}
	return to
}
