package route

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/server/problem"
	"packhouse/server/reference"
)

// maxTags is the maximum number of tags in one manifest PUT (distribution-spec, "Pushing
// Manifests", requires 414 above it).
const maxTags = 100

// single are the parameters that may occur only once: a proxy could check one value while the
// server uses the other.
var single = []string{
	"digest", "mount", "from", "digest-algorithm", "n", "last", "artifactType", "base", "group", "force", "message", "type", "archive", "q", "layer",
	"versions",
}

func parseQuery(raw string) (url.Values, error) {
	if raw == "" {
		return nil, nil
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, problem.New(http.StatusBadRequest, problem.QueryInvalid, "the query of the URL cannot be read").Because(err)
	}
	for _, key := range single {
		if len(query[key]) > 1 {
			return nil, problem.New(http.StatusBadRequest, problem.QueryInvalid, "parameter %s must be given once", key)
		}
	}
	return query, nil
}

// uploadQuery parses the parameters for starting an upload. A mount from an invalid repository name
// is treated as one from a missing repository: the client gets an upload session.
func uploadQuery(req Request, query url.Values) (Request, error) {
	var err error
	if text := query.Get("digest"); text != "" {
		if req.Digest, err = parseDigest(text); err != nil {
			return Request{}, err
		}
	}
	if text := query.Get("digest-algorithm"); text != "" {
		if req.Algorithm, err = reference.ParseAlgorithm(text); err != nil {
			return Request{}, problem.New(http.StatusBadRequest, problem.DigestInvalid, "digest-algorithm is sha256 or sha512").Because(err)
		}
	}
	if text := query.Get("mount"); text != "" {
		if req.Mount, err = parseDigest(text); err != nil {
			return Request{}, err
		}
		if from := query.Get("from"); from != "" {
			if req.From, err = reference.ParseRepository(from); err != nil {
				req.Mount = ""
			}
		}
	}
	return req, nil
}

// finishQuery parses the digest of a finished upload.
func finishQuery(req Request, query url.Values) (Request, error) {
	text := query.Get("digest")
	if text == "" {
		return Request{}, problem.New(http.StatusBadRequest, problem.DigestInvalid, "an upload is finished with ?digest=, the digest of all its bytes")
	}
	d, err := parseDigest(text)
	if err != nil {
		return Request{}, err
	}
	req.Digest = d
	return req, nil
}

// manifestQuery parses the tags of a manifest pushed by digest. A manifest pushed by tag may state
// its digest, which is how clients choose an algorithm other than sha256; this is equivalent to
// pushing by that digest with that tag.
func manifestQuery(req Request, query url.Values) (Request, error) {
	var err error
	if text := query.Get("digest"); text != "" && req.Digest == "" {
		if req.Digest, err = parseDigest(text); err != nil {
			return Request{}, err
		}
		req.Tags, req.Tag = []reference.Tag{req.Tag}, reference.Tag{}
	}
	if req.Digest == "" {
		return req, nil
	}
	if len(query["tag"]) > maxTags {
		return Request{}, problem.New(http.StatusRequestURITooLong, problem.TagInvalid, "a manifest can be pushed with at most %d tags at once, not %d", maxTags, len(query["tag"]))
	}
	for _, text := range query["tag"] {
		tag, err := parseTag(text, http.MethodPut)
		if err != nil {
			return Request{}, err
		}
		if !slices.Contains(req.Tags, tag) {
			req.Tags = append(req.Tags, tag)
		}
	}
	return req, nil
}

// longestLast exceeds the length of any name or digest.
const longestLast = 255

// listing parses the parameters of a listing.
func listing(r *http.Request, req Request, query url.Values) (Request, error) {
	if err := allow(r, http.MethodGet, http.MethodHead); err != nil {
		return Request{}, err
	}
	page, err := parsePage(query)
	req.Page = page
	return req, err
}

// parsePage parses n and last. A number that overflows means no limit.
func parsePage(query url.Values) (Page, error) {
	page := Page{N: Unlimited, Last: query.Get("last")}
	if len(page.Last) > longestLast || strings.ContainsFunc(page.Last, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		return Page{}, problem.New(http.StatusBadRequest, problem.QueryInvalid, "last is a name out of the page before")
	}
	text := query.Get("n")
	if text == "" {
		return page, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return page, nil
	case err != nil:
		return Page{}, problem.New(http.StatusBadRequest, problem.PaginationNumberInvalid, "n must be 0 or a positive number, not %.40q", text)
	}
	page.N = int(n)
	return page, nil
}

func parseName(name string) (reference.Repository, error) {
	repository, err := reference.ParseRepository(name)
	if err != nil {
		return reference.Repository{}, problem.New(http.StatusBadRequest, problem.NameInvalid,
			"%.300q is not a valid repository name: lower-case letters, digits and single . _ - between them, in segments separated by /, at most %d bytes", name, reference.MaxName).Because(err)
	}
	return repository, nil
}

// parseTag parses a tag. An invalid tag is unknown (404) when reading or deleting, and a bad
// request when writing.
func parseTag(text, method string) (reference.Tag, error) {
	tag, err := reference.ParseTag(text)
	switch {
	case err == nil:
		return tag, nil
	case method == http.MethodPut:
		return reference.Tag{}, problem.New(http.StatusBadRequest, problem.TagInvalid,
			"%.150q is not a valid tag: a letter, a digit or _, then up to 127 of those or . and -", text).Because(err)
	}
	return reference.Tag{}, problem.New(http.StatusNotFound, problem.ManifestUnknown, "the tag is not in this repository").Because(err)
}

func parseDigest(text string) (digest.Digest, error) {
	d, err := reference.ParseDigest(text)
	if err != nil {
		return "", problem.New(http.StatusBadRequest, problem.DigestInvalid,
			"%.200q is not a valid digest: sha256: or sha512: and the hash in lower-case hexadecimal digits", text).Because(err)
	}
	return d, nil
}
