package route

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"packhouse/server/problem"
	"packhouse/server/reference"
)

// Paths configures path parsing.
type Paths struct {
	Prefix string // prefix of every path (http.prefix); "" or "/" for none
	Packs  string // base path of the packs shown by /v1 and the pages (packs.base)
}

// Parse parses a request.
//
// The error is a *problem.Error: 404 for an unknown path, 405 for an unsupported method, 400 for an
// invalid name, digest or parameter. Reading by an invalid tag is 404, as for a missing tag.
func (p Paths) Parse(r *http.Request) (Request, error) {
	path, err := segments(r.URL, strings.TrimSuffix(p.Prefix, "/"))
	if err != nil {
		return Request{}, err
	}
	query, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return Request{}, err
	}
	switch path[0] {
	case "health":
		if len(path) == 1 {
			return Request{Action: Health}, allow(r, http.MethodGet, http.MethodHead)
		}
	case "v1":
		return p.parsePacks(r, path[1:], query)
	case "v2":
		return parseRegistry(r, path[1:], query)
	case "", "packs", "repositories", "assets":
		return p.parsePage(r, path, query)
	}
	return Request{}, problem.NoRoute()
}

// longestPath exceeds the length of any valid path: a name, a verb and a sha512 digest.
const longestPath = reference.MaxName + 512

// segments splits the path below the prefix. It unescapes segments one by one, so that an encoded
// slash never splits a segment, and rejects what a file system or proxy could interpret
// differently.
func segments(u *url.URL, prefix string) ([]string, error) {
	path, ok := strings.CutPrefix(u.EscapedPath(), prefix+"/")
	if !ok {
		return nil, problem.NoRoute()
	}
	if len(path) > longestPath {
		return nil, problem.New(http.StatusBadRequest, problem.NameInvalid, "the path is too long")
	}
	all := strings.Split(path, "/")
	for i, escaped := range all {
		s, err := url.PathUnescape(escaped)
		if err != nil || strings.ContainsAny(s, "/\\\x00") || s == "." || s == ".." {
			return nil, problem.New(http.StatusBadRequest, problem.NameInvalid, "the path contains an encoded slash, a backslash, a dot segment or a NUL byte, which names cannot contain")
		}
		if s == "" && i == 0 && len(all) > 1 {
			return nil, problem.NoRoute()
		}
		all[i] = s
	}
	return all, nil
}

// parseRegistry parses the path after /v2. It matches verbs from the end, because a name may
// contain the same words.
func parseRegistry(r *http.Request, path []string, query url.Values) (Request, error) {
	n := len(path)
	last := func(i int) string { // the i-th segment from the end, 1-based
		if i > n {
			return ""
		}
		return path[n-i]
	}
	switch {
	case n == 0 || n == 1 && path[0] == "":
		return Request{Action: Ping}, allow(r, http.MethodGet, http.MethodHead)
	case n == 1 && path[0] == "_catalog":
		return listing(r, Request{Action: Catalog}, query)
	case last(2) == "uploads" && last(3) == "blobs" && last(1) == "":
		return uploadStart(r, path[:n-3], query)
	case last(1) == "uploads" && last(2) == "blobs":
		return uploadStart(r, path[:n-2], query)
	case last(2) == "uploads" && last(3) == "blobs":
		return uploadSession(r, path[:n-3], last(1), query)
	case last(2) == "blobs":
		return blob(r, path[:n-2], last(1))
	case last(2) == "tags" && last(1) == "list":
		return named(path[:n-2], func(req Request) (Request, error) {
			req.Action = TagList
			return listing(r, req, query)
		})
	case last(2) == "manifests":
		return manifest(r, path[:n-2], last(1), query)
	case last(2) == "referrers":
		return referrers(r, path[:n-2], last(1), query)
	}
	return Request{}, problem.NoRoute()
}

// named parses a repository name and calls then with it.
func named(name []string, then func(Request) (Request, error)) (Request, error) {
	repository, err := parseName(strings.Join(name, "/"))
	if err != nil {
		return Request{}, err
	}
	return then(Request{Repository: repository})
}

func blob(r *http.Request, name []string, text string) (Request, error) {
	return named(name, func(req Request) (Request, error) {
		d, err := parseDigest(text)
		if err != nil {
			return Request{}, err
		}
		req.Digest, req.Action = d, BlobRead
		if r.Method == http.MethodDelete {
			req.Action = BlobDelete
		}
		return req, allow(r, http.MethodGet, http.MethodHead, http.MethodDelete)
	})
}

func uploadStart(r *http.Request, name []string, query url.Values) (Request, error) {
	return named(name, func(req Request) (Request, error) {
		req.Action = UploadStart
		if err := allow(r, http.MethodPost); err != nil {
			return Request{}, err
		}
		return uploadQuery(req, query)
	})
}

func uploadSession(r *http.Request, name []string, id string, query url.Values) (Request, error) {
	return named(name, func(req Request) (Request, error) {
		if err := allow(r, http.MethodGet, http.MethodHead, http.MethodPatch, http.MethodPut, http.MethodDelete); err != nil {
			return Request{}, err
		}
		if !isUpload(id) {
			return Request{}, problem.New(http.StatusNotFound, problem.BlobUploadUnknown, "the upload is not known: start a new one")
		}
		req.Upload = id
		switch r.Method {
		case http.MethodPatch:
			req.Action = UploadAppend
		case http.MethodDelete:
			req.Action = UploadCancel
		case http.MethodPut:
			req.Action = UploadFinish
			return finishQuery(req, query)
		default:
			req.Action = UploadStatus
		}
		return req, nil
	})
}

// isUpload reports whether s is an upload ID: 128 bits in lower-case hexadecimal digits.
func isUpload(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

func manifest(r *http.Request, name []string, ref string, query url.Values) (Request, error) {
	return named(name, func(req Request) (Request, error) {
		if err := allow(r, http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete); err != nil {
			return Request{}, err
		}
		var err error
		if strings.Contains(ref, ":") {
			req.Digest, err = parseDigest(ref)
		} else {
			req.Tag, err = parseTag(ref, r.Method)
		}
		if err != nil {
			return Request{}, err
		}
		switch {
		case r.Method == http.MethodPut:
			req.Action = ManifestWrite
			return manifestQuery(req, query)
		case r.Method == http.MethodDelete && req.Digest != "":
			req.Action = ManifestDelete
		case r.Method == http.MethodDelete:
			req.Action = TagDelete
		default:
			req.Action = ManifestRead
		}
		return req, nil
	})
}

func referrers(r *http.Request, name []string, text string, query url.Values) (Request, error) {
	return named(name, func(req Request) (Request, error) {
		d, err := parseDigest(text)
		if err != nil {
			return Request{}, err
		}
		req.Digest, req.Action, req.ArtifactType = d, Referrers, query.Get("artifactType")
		return listing(r, req, query)
	})
}

// allow rejects a request with any other method.
func allow(r *http.Request, methods ...string) error {
	if slices.Contains(methods, r.Method) {
		return nil
	}
	return problem.MethodNotAllowed(methods...)
}
