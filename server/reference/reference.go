// Package reference defines repository names, tags and digests.
//
// The grammar is that of the OCI distribution specification 1.1, section "Pulling manifests". A
// Repository or Tag can only be created by parsing, so it is always safe to use in a path or key.
package reference

import (
	_ "crypto/sha256" // makes digest.SHA256 available
	_ "crypto/sha512" // makes digest.SHA512 available
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/pattern"
)

// Parse errors, to match with errors.Is.
var (
	ErrName   = errors.New("invalid repository name")
	ErrTag    = errors.New("invalid tag")
	ErrDigest = errors.New("invalid digest")
)

// MaxName is the maximum length of a repository name in bytes. Clients include the host name in
// this limit, which a server does not know.
const MaxName = 255

var tagPattern = pattern.Lazy(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)

// Repository is the name of a repository, such as "team-a/nginx". The zero value names none.
type Repository struct{ name string }

// ParseRepository validates name against the grammar.
func ParseRepository(name string) (Repository, error) {
	if len(name) > MaxName {
		return Repository{}, fmt.Errorf("%w: %d bytes, at most %d", ErrName, len(name), MaxName)
	}
	if !validName(name) {
		return Repository{}, fmt.Errorf("%w: %.300q", ErrName, name)
	}
	return Repository{name}, nil
}

// validName reports whether runs of lower-case letters and digits alternate with separators in name.
// It accepts what the specification's regular expression does, in a fraction of the time: every
// request names a repository.
func validName(name string) bool {
	for {
		n := runOf(alphanumeric, name)
		switch {
		case n == 0:
			return false
		case n == len(name):
			return true
		}
		name = name[n:]
		n = runOf(separating, name)
		switch separator := name[:n]; separator {
		case "/", ".", "_", "__":
		default:
			if strings.Trim(separator, "-") != "" {
				return false
			}
		}
		name = name[n:]
	}
}

// runOf returns the number of leading bytes of name for which is is true.
func runOf(is func(c byte) bool, name string) int {
	for i := range len(name) {
		if !is(name[i]) {
			return i
		}
	}
	return len(name)
}

func alphanumeric(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

func separating(c byte) bool { return c == '/' || c == '.' || c == '_' || c == '-' }

// String returns the name.
func (r Repository) String() string { return r.name }

// IsZero reports whether r is the zero value.
func (r Repository) IsZero() bool { return r.name == "" }

// packFolder is where Palette expects packs below a registry's base path, one repository per pack.
const packFolder = "spectro-packs/archive"

// Pack reports whether the repository is a pack's, [<base>/]spectro-packs/archive/<name>, and
// returns base and name. Its tags are pack versions.
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

// PackPrefix returns the common prefix of the repository names of all packs under base.
func PackPrefix(base string) string {
	if base == "" {
		return packFolder + "/"
	}
	return base + "/" + packFolder + "/"
}

// cutLast splits off the last segment of a name.
func cutLast(name string) (folder, last string, ok bool) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return "", name, false
	}
	return name[:i], name[i+1:], true
}

// Tag is a movable name of a manifest within a repository. The zero value names none.
type Tag struct{ name string }

// ParseTag validates name against the grammar.
func ParseTag(name string) (Tag, error) {
	if !tagPattern().MatchString(name) {
		return Tag{}, fmt.Errorf("%w: %.200q", ErrTag, name)
	}
	return Tag{name}, nil
}

// String returns the tag.
func (t Tag) String() string { return t.name }

// IsZero reports whether t is the zero value.
func (t Tag) IsZero() bool { return t.name == "" }

// ParseDigest parses a digest with a supported algorithm: sha256 or sha512, in lower case
// (image-spec, "Digests").
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

// ParseAlgorithm parses the name of a supported digest algorithm.
func ParseAlgorithm(s string) (digest.Algorithm, error) {
	switch a := digest.Algorithm(s); a {
	case digest.SHA256, digest.SHA512:
		return a, nil
	}
	return "", fmt.Errorf("%w: algorithm %.50q, sha256 and sha512 are served", ErrDigest, s)
}
