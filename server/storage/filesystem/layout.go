package filesystem

import (
	"path"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
)

// Below theirs is only what CNCF distribution itself would write; its tools fail on anything else.
// Ours is next to it.
const (
	theirs   = "docker/registry/v2"
	blobsDir = theirs + "/blobs"
	reposDir = theirs + "/repositories"

	ours          = "packhouse/v1"
	uploadsDir    = ours + "/uploads"
	stageDir      = ours + "/stage"
	indexDir      = ours + "/index"
	refsDir       = ours + "/refs"
	packviewDir   = ours + "/packview"
	quarantineDir = ours + "/quarantine"
	trashDir      = ours + "/trash"
	gcDir         = ours + "/gc"
	leaseDir      = ours + "/lease"
	journalDir    = ours + "/journal"

	namesFile  = indexDir + "/repositories"
	emptyFile  = indexDir + "/empty"
	epochFile  = indexDir + "/epoch"
	tagLogsDir = indexDir + "/tags"
	lockFile   = leaseDir + "/owner"
	stateFile  = leaseDir + "/state.json"
)

// ourDirs are created at the first start.
var ourDirs = []string{uploadsDir, stageDir, indexDir, tagLogsDir, refsDir, packviewDir, quarantineDir, trashDir, gcDir, leaseDir, journalDir}

// algorithms are the digest algorithms served.
var algorithms = []digest.Algorithm{digest.SHA256, digest.SHA512}

func blobDir(d digest.Digest) string {
	alg, hex, _ := strings.Cut(string(d), ":")
	return blobsDir + "/" + alg + "/" + hex[:2] + "/" + hex
}

func blobPath(d digest.Digest) string { return blobDir(d) + "/data" }

// repoDir returns the directory of a repository, or the one of all repositories for "".
func repoDir(repo string) string {
	if repo == "" {
		return reposDir
	}
	return reposDir + "/" + repo
}

// digestDir returns the path of a digest in a directory of links.
func digestDir(d digest.Digest) string {
	alg, hex, _ := strings.Cut(string(d), ":")
	return alg + "/" + hex
}

func layersDir(repo string) string { return repoDir(repo) + "/_layers" }

func layerDir(repo string, d digest.Digest) string { return layersDir(repo) + "/" + digestDir(d) }

func revisionsDir(repo string) string { return repoDir(repo) + "/_manifests/revisions" }

func revisionDir(repo string, d digest.Digest) string {
	return revisionsDir(repo) + "/" + digestDir(d)
}

func tagsDir(repo string) string { return repoDir(repo) + "/_manifests/tags" }

func tagDir(repo, tag string) string { return tagsDir(repo) + "/" + tag }

func tagLink(repo, tag string) string { return tagDir(repo, tag) + "/current/link" }

func tagIndexDir(repo, tag string, d digest.Digest) string {
	return tagDir(repo, tag) + "/index/" + digestDir(d)
}

// escape converts a repository name to a single path element of the same length and sort order.
var escape = strings.NewReplacer("-", "!", ".", "(", "/", ")")

func refsOf(repo string) string { return refsDir + "/" + escape.Replace(repo) }

// flat encodes a digest as one path element.
func flat(d digest.Digest) string { return strings.Replace(string(d), ":", "-", 1) }

// unflat is the reverse of flat. It returns false for any other name.
func unflat(name string) (digest.Digest, bool) {
	d, err := reference.ParseDigest(strings.Replace(name, "-", ":", 1))
	return d, err == nil
}

// digestOf parses the name of an algorithm's subdirectory as a digest.
func digestOf(alg digest.Algorithm, hex string) (digest.Digest, bool) {
	d, err := reference.ParseDigest(string(alg) + ":" + hex)
	return d, err == nil
}

func parentOf(name string) string { return path.Dir(name) }
