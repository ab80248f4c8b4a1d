package record

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/packs"
	"packhouse/server/reference"
)

// A logo is served without credentials, by its digest. A note maps the repository and the digest to
// a manifest whose archive has that logo. If there is no note, a request reads nothing else, so
// that missing and private repositories cost the same work.

// Note identifies the manifest and the archive of a logo.
type Note struct {
	Archive  digest.Digest
	Manifest digest.Digest
}

// longestNote is the maximum size of a note in bytes.
const longestNote = 512

// notePath returns the name of a note. It is a hash, so that all names have the same form and
// depth.
func notePath(repo reference.Repository, logo string) string {
	sum := sha256.Sum256([]byte(repo.String() + "\n" + logo))
	name := hex.EncodeToString(sum[:])
	return folder(Extractor) + "logo/" + name[:2] + "/" + name
}

// NoteLogo writes the note that a manifest of a repository has the logo in s. It keeps an existing
// note unless replace is set.
func (r *Records) NoteLogo(ctx context.Context, repo reference.Repository, s *Summary, manifest digest.Digest, replace bool) {
	if s == nil || s.Logo == "" || manifest == "" {
		return
	}
	key, note := notePath(repo, s.Logo), Note{s.Archive, manifest}
	switch known, ok := r.memory.get(key).(Note); {
	case ok && (known == note || !replace):
		return
	case !ok && !replace:
		if _, ok := r.Note(ctx, repo, s.Logo); ok {
			return
		}
	}
	r.memory.put(key, note, longestNote)
	r.write(ctx, key, []byte(note.Archive+" "+note.Manifest))
}

// Note returns the note of a logo. It does not check that the manifest still exists.
func (r *Records) Note(ctx context.Context, repo reference.Repository, logo string) (Note, bool) {
	key := notePath(repo, logo)
	if note, ok := r.memory.get(key).(Note); ok {
		return note, true
	}
	if r.o.Derived == nil {
		return Note{}, false
	}
	content, err := r.o.Derived.ReadDerived(ctx, key, longestNote)
	if err != nil {
		return Note{}, false
	}
	archive, manifest, _ := strings.Cut(string(content), " ")
	note := Note{digest.Digest(archive), digest.Digest(manifest)}
	if note.Archive.Validate() != nil || note.Manifest.Validate() != nil {
		return Note{}, false
	}
	r.memory.put(key, note, longestNote)
	return note, true
}

// ForgetLogo removes a note.
func (r *Records) ForgetLogo(ctx context.Context, repo reference.Repository, logo string) {
	r.remove(ctx, notePath(repo, logo))
}

// remove removes a derived object from memory and from the store.
func (r *Records) remove(ctx context.Context, key string) {
	r.memory.remove(key)
	if r.o.Derived == nil {
		return
	}
	if err := r.o.Derived.RemoveDerived(ctx, key); err != nil && !unwritable(err) {
		r.o.Log.WarnContext(ctx, "remove record of pack", "error", err)
	}
}

// keptLogo is a validated logo in memory.
type keptLogo struct {
	content   []byte
	sha256    string
	mediaType string
}

// LogoContent returns a stored logo and its media type. It returns nil if the logo is not stored,
// has another sha256, or is not exactly one image. It does not open the archive.
func (r *Records) LogoContent(ctx context.Context, archive digest.Digest, logo string) (content []byte, mediaType string) {
	key := name(archive, documents[packs.LogoFile])
	inMemory := "logo/" + string(archive)
	if kept, ok := r.memory.get(inMemory).(keptLogo); ok && kept.sha256 == logo {
		return kept.content, kept.mediaType
	}
	content, ok := r.memory.get(key).([]byte) // if the store cannot be written
	if !ok && r.o.Derived != nil {
		content, _ = r.o.Derived.ReadDerived(ctx, key, maxDocument) // on an error, nil is not an image
	}
	mediaType, err := packs.LogoType(content)
	if err != nil || digest.SHA256.FromBytes(content).Encoded() != logo {
		return nil, ""
	}
	r.memory.put(inMemory, keptLogo{content, logo, mediaType}, int64(len(content)))
	return content, mediaType
}
