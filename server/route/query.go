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

// maxTags is how many tags one manifest PUT may name (distribution-spec, "Pushing Manifests", wants a limit to be answered with 414).
const maxTags = 100

// single are the parameters that are read at most once: of two values a proxy in front could check one while the other is used.
var single = []string{"digest", "mount", "from", "digest-algorithm", "n", "last", "artifactType", "base", "group", "force", "message", "type", "archive", "q", "layer"}

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
			return nil, problem.New(http.StatusBadRequest, problem.QueryInvalid, "parameter %s is given %d times", key, len(query[key]))
		}
	}
	return query, nil
}

// uploadQuery reads the parameters of the start of an upload. A mount from a repository whose name is none is one from a repository that
// does not exist: the client gets a session to push to.
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

// finishQuery reads the digest that an upload is to have.
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

// manifestQuery reads the tags of a manifest that is put by digest. A manifest put by tag may name its digest, which is how clients get one
// that is not sha256; it is then the same as one put by that digest with that tag.
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
		return Request{}, problem.New(http.StatusRequestURITooLong, problem.TagInvalid, "a manifest is put with at most %d tags at once, not %d", maxTags, len(query["tag"]))
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

// longestLast is longer than any name or digest that a listing could start after.
const longestLast = 255

// listing reads the parameters of a listing.
func listing(r *http.Request, req Request, query url.Values) (Request, error) {
	if err := allow(r, http.MethodGet, http.MethodHead); err != nil {
		return Request{}, err
	}
	page, err := parsePage(query)
	req.Page = page
	return req, err
}

// parsePage reads n and last. A number too big for this machine asks for as many as there are.
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
		return Page{}, problem.New(http.StatusBadRequest, problem.PaginationNumberInvalid, "n is a number from 0 on, not %.40q", text)
	}
	page.N = int(n)
	return page, nil
}

func parseName(name string) (reference.Repository, error) {
	repository, err := reference.ParseRepository(name)
	if err != nil {
		return reference.Repository{}, problem.New(http.StatusBadRequest, problem.NameInvalid,
			"%.300q is no name of a repository: lower-case letters, digits and single . _ - between them, in segments parted by /, at most %d bytes", name, reference.MaxName).Because(err)
	}
	return repository, nil
}

// parseTag reads a tag. One that cannot exist is unknown to who reads or deletes, and wrong of who writes.
func parseTag(text, method string) (reference.Tag, error) {
	tag, err := reference.ParseTag(text)
	switch {
	case err == nil:
		return tag, nil
	case method == http.MethodPut:
		return reference.Tag{}, problem.New(http.StatusBadRequest, problem.TagInvalid,
			"%.150q is no tag: a letter, a digit or _, then up to 127 of those or . and -", text).Because(err)
	}
	return reference.Tag{}, problem.New(http.StatusNotFound, problem.ManifestUnknown, "the tag is not in this repository").Because(err)
}

func parseDigest(text string) (digest.Digest, error) {
	d, err := reference.ParseDigest(text)
	if err != nil {
		return "", problem.New(http.StatusBadRequest, problem.DigestInvalid,
			"%.200q is no digest: sha256: or sha512: and the hash in lower-case hexadecimal digits", text).Because(err)
	}
	return d, nil
}
