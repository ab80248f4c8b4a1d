// Package reference holds the names a registry knows things by: repositories, tags and digests.
//
// The grammar is that of the OCI distribution specification 1.1, section "Pulling manifests". A Repository or a Tag exists only as the
// result of parsing, so whatever holds one may build a path or a key from it without looking again.
package reference

import (
	_ "crypto/sha256" // makes digest.SHA256 available
	_ "crypto/sha512" // makes digest.SHA512 available
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Errors of parsing. Callers match them with errors.Is.
var (
	ErrName   = errors.New("invalid repository name")
	ErrTag    = errors.New("invalid tag")
	ErrDigest = errors.New("invalid digest")
)

// MaxName is the longest repository name in bytes. Clients count the host name into 255 as well; a server does not know it.
const MaxName = 255

var (
	namePattern = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagPattern  = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
)

// Repository is the name of a repository, such as "team-a/nginx". The zero value names none.
type Repository struct{ name string }

// ParseRepository checks name against the grammar.
func ParseRepository(name string) (Repository, error) {
	if len(name) > MaxName {
		return Repository{}, fmt.Errorf("%w: %d bytes, at most %d", ErrName, len(name), MaxName)
	}
	if !namePattern.MatchString(name) {
		return Repository{}, fmt.Errorf("%w: %.300q", ErrName, name)
	}
	return Repository{name}, nil
}

// String returns the name.
func (r Repository) String() string { return r.name }

// IsZero tells whether r names no repository.
func (r Repository) IsZero() bool { return r.name == "" }

// packFolder is where Palette looks for packs below a registry's base path: one repository a pack.
const packFolder = "spectro-packs/archive"

// Pack tells whether the repository is that of a pack, [<base>/]spectro-packs/archive/<name>, and which: its tags are pack versions.
func (r Repository) Pack() (base, name string, ok bool) {
	folder, name, ok := cutLast(r.name)
	if !ok || name == "" {
		return "", "", false
	}
	if folder == packFolder {
		return "", name, true
	}
	base, ok = strings.CutSuffix(folder, "/"+packFolder)
	if !ok {
		return "", "", false
	}
	return base, name, true
}

// PackPrefix returns what the names of all packs under base start with.
func PackPrefix(base string) string {
	if base == "" {
		return packFolder + "/"
	}
	return base + "/" + packFolder + "/"
}

// cutLast splits a name before its last segment.
func cutLast(name string) (folder, last string, ok bool) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return "", name, false
	}
	return name[:i], name[i+1:], true
}

// Tag is a movable name of a manifest within a repository. The zero value names none.
type Tag struct{ name string }

// ParseTag checks name against the grammar.
func ParseTag(name string) (Tag, error) {
	if !tagPattern.MatchString(name) {
		return Tag{}, fmt.Errorf("%w: %.200q", ErrTag, name)
	}
	return Tag{name}, nil
}

// String returns the tag.
func (t Tag) String() string { return t.name }

// IsZero tells whether t names no tag.
func (t Tag) IsZero() bool { return t.name == "" }

// ParseDigest checks that s is a digest of an algorithm served here: sha256 or sha512, in lower case (image-spec, "Digests").
func ParseDigest(s string) (digest.Digest, error) {
	name, hash, ok := strings.Cut(s, ":")
	if !ok {
		return "", fmt.Errorf("%w: %.200q", ErrDigest, s)
	}
	algorithm, err := ParseAlgorithm(name)
	if err != nil {
		return "", err
	}
	if len(hash) != 2*algorithm.Size() || strings.Trim(hash, "0123456789abcdef") != "" {
		return "", fmt.Errorf("%w: %.200q", ErrDigest, s)
	}
	return digest.Digest(s), nil
}

// ParseAlgorithm checks that s is an algorithm served here.
func ParseAlgorithm(s string) (digest.Algorithm, error) {
	switch a := digest.Algorithm(s); a {
	case digest.SHA256, digest.SHA512:
		return a, nil
	}
	return "", fmt.Errorf("%w: algorithm %.50q, sha256 and sha512 are served", ErrDigest, s)
}
