package s3

import (
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
)

// Below theirs is only what CNCF distribution itself would write; ours is next to it. No key is a
// directory prefix of another, because services backed by a file system cannot store both a and
// a/b.
const (
	theirs   = "docker/registry/v2/"
	blobsDir = theirs + "blobs/"
	reposDir = theirs + "repositories/"

	ours            = "packhouse/v1/"
	uploadsDir      = ours + "uploads/"            // <user>/<id>/session and parts
	multipartDir    = ours + "multipart/"          // one record per open multipart upload
	repositoryIndex = ours + "index/repositories/" // <escaped repository>
	tagIndex        = ours + "index/tags/"         // <escaped repository>/<escaped tag>
	indexState      = ours + "index/state"
	dependencyIndex = ours + "index/dependencies/" // <escaped repository>, a storage.Dependencies record
	refsDir         = ours + "refs/"               // <escaped repository>/<subject>/<referrer>
	quarantineDir   = ours + "quarantine/"
	runsDir         = ours + "gc/runs/"    // one announcement per running collection
	markersDir      = ours + "gc/markers/" // one marker per digest that may be deleted
	spillDir        = ours + "gc/spill/"   // spilled facts of a running survey
	leaseDir        = ours + "lease/"
	recordsDir      = ours + "records/"
	probeDir        = ours + "probe/"
	healthKey       = ours + "health"
)

func blobKey(d digest.Digest) string {
	alg, hex, _ := strings.Cut(string(d), ":")
	return blobsDir + alg + "/" + hex[:2] + "/" + hex + "/data"
}

// digestPath returns the path of a digest in a directory of links.
func digestPath(d digest.Digest) string {
	alg, hex, _ := strings.Cut(string(d), ":")
	return alg + "/" + hex
}

func repoPrefix(repo string) string { return reposDir + repo + "/" }

func layerLink(repo string, d digest.Digest) string {
	return repoPrefix(repo) + "_layers/" + digestPath(d) + "/link"
}

func revisionsPrefix(repo string) string { return repoPrefix(repo) + "_manifests/revisions/" }

func revisionLink(repo string, d digest.Digest) string {
	return revisionsPrefix(repo) + digestPath(d) + "/link"
}

func tagsPrefix(repo string) string { return repoPrefix(repo) + "_manifests/tags/" }

func tagPrefix(repo, tag string) string { return tagsPrefix(repo) + tag + "/" }

func tagLink(repo, tag string) string { return tagPrefix(repo, tag) + "current/link" }

func tagHistoryLink(repo, tag string, d digest.Digest) string {
	return tagPrefix(repo, tag) + "index/" + digestPath(d) + "/link"
}

// escaper and unescaper convert a name to a single path element of the same length and sort order,
// and back: '-', '.' and '/' are the only characters of names that sort before the digits, in this
// order, as do '!', '(' and ')'.
var (
	escaper   = strings.NewReplacer("-", "!", ".", "(", "/", ")")
	unescaper = strings.NewReplacer("!", "-", "(", ".", ")", "/")
)

func escape(name string) string   { return escaper.Replace(name) }
func unescape(name string) string { return unescaper.Replace(name) }

func repositoryEntry(repo string) string { return repositoryIndex + escape(repo) }

func tagEntries(repo string) string { return tagIndex + escape(repo) + "/" }

func tagEntry(repo, tag string) string { return tagEntries(repo) + escape(tag) }

func dependenciesKey(repo string) string { return dependencyIndex + escape(repo) }

func refsPrefix(repo string) string { return refsDir + escape(repo) + "/" }

func referrersPrefix(repo string, subject digest.Digest) string {
	return refsPrefix(repo) + flat(subject) + "/"
}

func referrerKey(repo string, subject, d digest.Digest) string {
	return referrersPrefix(repo, subject) + flat(d)
}

func markerKey(d digest.Digest) string { return markersDir + flat(d) }

// flat encodes a digest as one path element.
func flat(d digest.Digest) string { return strings.Replace(string(d), ":", "-", 1) }

// unflat is the reverse of flat. It returns false for any other name.
func unflat(name string) (digest.Digest, bool) {
	d, err := reference.ParseDigest(strings.Replace(name, "-", ":", 1))
	return d, err == nil
}

// digestOf parses the algorithm and hexadecimal elements of a key.
func digestOf(alg, hex string) (digest.Digest, bool) {
	d, err := reference.ParseDigest(alg + ":" + hex)
	return d, err == nil
}

// parseBlobKey returns the digest of a blob's data key.
func parseBlobKey(key string) (digest.Digest, bool) {
	rest, ok := strings.CutPrefix(key, blobsDir)
	if !ok {
		return "", false
	}
	p := strings.Split(rest, "/")
	if len(p) != 4 || p[3] != "data" {
		return "", false
	}
	d, ok := digestOf(p[0], p[2])
	return d, ok && strings.HasPrefix(p[2], p[1]) && len(p[1]) == 2
}

// linkKind is the kind of a key in a repository.
type linkKind uint8

const (
	otherKey linkKind = iota
	layerKind
	revisionKind
	tagKind        // tags/<tag>/current/link
	tagHistoryKind // tags/<tag>/index/<alg>/<hex>/link
	uploadKind     // _uploads/…, distribution's own
)

// repoKey is a parsed key below reposDir.
type repoKey struct {
	kind   linkKind
	repo   string
	digest digest.Digest // from the path of a layer, revision or history link
	tag    string
	upload string // <id> of a distribution upload
}

// parseRepoKey parses a key below reposDir. No element of a repository name starts with an
// underscore, so the first one that does ends the name.
func parseRepoKey(key string) (repoKey, bool) {
	rest, ok := strings.CutPrefix(key, reposDir)
	if !ok {
		return repoKey{}, false
	}
	i := strings.Index(rest, "/_")
	if i <= 0 {
		return repoKey{}, false
	}
	k := repoKey{repo: rest[:i]}
	if _, err := reference.ParseRepository(k.repo); err != nil {
		return repoKey{}, false
	}
	p := strings.Split(rest[i+1:], "/")
	switch {
	case len(p) == 4 && p[0] == "_layers" && p[3] == "link":
		k.kind = layerKind
		k.digest, ok = digestOf(p[1], p[2])
	case len(p) == 5 && p[0] == "_manifests" && p[1] == "revisions" && p[4] == "link":
		k.kind = revisionKind
		k.digest, ok = digestOf(p[2], p[3])
	case len(p) == 5 && p[0] == "_manifests" && p[1] == "tags" && p[3] == "current" && p[4] == "link":
		k.kind, k.tag = tagKind, p[2]
	case len(p) == 7 && p[0] == "_manifests" && p[1] == "tags" && p[3] == "index" && p[6] == "link":
		k.kind, k.tag = tagHistoryKind, p[2]
		k.digest, ok = digestOf(p[4], p[5])
	case len(p) >= 2 && p[0] == "_uploads":
		k.kind, k.upload = uploadKind, p[1]
	}
	if k.tag != "" {
		if _, err := reference.ParseTag(k.tag); err != nil {
			return k, false
		}
	}
	return k, ok
}
