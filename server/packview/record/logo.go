package record

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
)

// A logo is opened to everybody by its digest, so there is a note from the digest to an archive of the repository that has it. The note only
// shows the way: that the archive is still the repository's and that the file is its logo is looked up every time.

// notePath is where the note of a logo is kept. No segment of a repository's name starts with an underscore.
func notePath(repo reference.Repository, sha256 string) string {
	return "by-file/" + repo.String() + "/_/" + sha256
}

// NoteLogo notes which archive of a repository has the logo that it has.
func (r *Records) NoteLogo(ctx context.Context, repo reference.Repository, rec *Record) {
	logo, ok := rec.Logo()
	if !ok {
		return
	}
	key := notePath(repo, logo.SHA256)
	if r.memory.get(key) == rec.Archive {
		return
	}
	r.memory.put(key, rec.Archive, int64(len(key)))
	r.write(ctx, key, []byte(rec.Archive))
}

// Logo returns the record of an archive that a repository links to and whose logo has that sha256; nil where none is noted.
func (r *Records) Logo(ctx context.Context, repo reference.Repository, sha256 string) *Record {
	key := notePath(repo, sha256)
	archive, ok := r.memory.get(key).(digest.Digest)
	if !ok && r.o.Derived != nil {
		content, err := r.o.Derived.ReadDerived(ctx, key)
		if err != nil {
			return nil
		}
		archive = digest.Digest(content)
	}
	if archive.Validate() != nil {
		return nil
	}
	rec := r.Peek(ctx, repo, archive)
	if rec == nil {
		return nil
	}
	if logo, ok := rec.Logo(); !ok || logo.SHA256 != sha256 {
		return nil
	}
	r.memory.put(key, archive, int64(len(key)))
	return rec
}

// searchPause is how long the logos of a repository are not looked for again.
const searchPause = time.Minute

// MaySearch tells whether it is time to look through the archives of a repository for a logo that is not noted, and takes the turn. Nobody
// has to be known to ask for a logo, so asking must not cost much.
func (r *Records) MaySearch(repo reference.Repository) bool {
	key := "search/" + repo.String()
	r.searching.Lock()
	defer r.searching.Unlock()
	now := r.o.Now()
	if last, ok := r.memory.get(key).(time.Time); ok && now.Sub(last) < searchPause {
		return false
	}
	r.memory.put(key, now, int64(len(key)))
	return true
}
