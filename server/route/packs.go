package route

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/server/problem"
	"packhouse/server/reference"
)

// parsePacks parses the path after /v1. A pack's name is one segment, so the path length determines
// the action.
func (p Paths) parsePacks(r *http.Request, path []string, query url.Values) (Request, error) {
	switch {
	case len(path) == 0 || len(path) == 1 && path[0] == "":
		return Request{Action: PackPing}, allow(r, http.MethodGet, http.MethodHead)
	case len(path) == 1 && path[0] == "_catalog":
		base, err := p.base(query)
		if err != nil {
			return Request{}, err
		}
		return listing(r, Request{Action: PackCatalog, Base: base}, query)
	case len(path) != 3:
		return Request{}, problem.NoRoute()
	}
	then, served := map[string]func(*http.Request, Request, string, url.Values) (Request, error){
		"tags": packTag, "manifests": packManifest, "blobs": packFile, "archives": packArchive,
	}[path[1]]
	if !served {
		return Request{}, problem.NoRoute()
	}
	req, err := p.pack(path[0], query)
	if err != nil {
		return Request{}, err
	}
	return then(r, req, path[2], query)
}

// pack parses the name of a pack and determines its repository.
func (p Paths) pack(name string, query url.Values) (Request, error) {
	base, err := p.base(query)
	if err != nil {
		return Request{}, err
	}
	repository, err := parseName(reference.PackPrefix(base) + name)
	if err != nil {
		return Request{}, problem.New(http.StatusBadRequest, problem.NameInvalid,
			"%.200q is not a valid pack name: lower-case letters, digits and single . _ - between them", name).Because(err)
	}
	return Request{Repository: repository, Base: base, Pack: name}, nil
}

// base returns ?base=, the path below which packs are stored; by default the configured one.
func (p Paths) base(query url.Values) (string, error) {
	if !query.Has("base") {
		return strings.Trim(p.Packs, "/"), nil
	}
	base := strings.Trim(query.Get("base"), "/")
	if base == "" {
		return "", nil
	}
	_, err := parseName(base)
	return base, err
}

func packTag(r *http.Request, req Request, text string, query url.Values) (Request, error) {
	var err error
	switch {
	case r.Method == http.MethodPut:
		req.Action = PackTagWrite
	case r.Method == http.MethodDelete:
		req.Action = PackTagDelete
	case text == "list":
		if err := allow(r, http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete); err != nil {
			return Request{}, err
		}
		req.Action = PackTagList
		return listing(r, req, query)
	default:
		return Request{}, problem.MethodNotAllowed(http.MethodPut, http.MethodDelete)
	}
	req.Tag, err = parseTag(text, r.Method)
	return req, err
}

func packManifest(r *http.Request, req Request, text string, _ url.Values) (Request, error) {
	req.Action = PackRead
	if err := allow(r, http.MethodGet, http.MethodHead); err != nil {
		return Request{}, err
	}
	return req.referTo(text)
}

// referTo parses a tag or manifest digest to read.
func (req Request) referTo(text string) (Request, error) {
	var err error
	if strings.Contains(text, ":") {
		req.Digest, err = parseDigest(text)
	} else {
		req.Tag, err = parseTag(text, http.MethodGet)
	}
	return req, err
}

// imageTypes are the media types allowed for files. SVG is excluded because it may contain scripts.
var imageTypes = []string{"image/png", "image/jpeg", "image/gif", "image/webp"}

func packFile(r *http.Request, req Request, text string, query url.Values) (Request, error) {
	req.Action, req.MediaType = PackFile, query.Get("type")
	if err := allow(r, http.MethodGet, http.MethodHead); err != nil {
		return Request{}, err
	}
	d, err := parseDigest(text)
	if err != nil {
		return Request{}, err
	}
	if d.Algorithm() != digest.SHA256 {
		return Request{}, problem.New(http.StatusBadRequest, problem.DigestInvalid, "the files of packs are known by their sha256")
	}
	req.Digest = d
	if req.MediaType != "" && !slices.Contains(imageTypes, req.MediaType) {
		return Request{}, problem.New(http.StatusBadRequest, problem.QueryInvalid, "type must be one of %s, or be omitted", strings.Join(imageTypes, ", "))
	}
	if text := query.Get("archive"); text != "" {
		if req.Archive, err = parseDigest(text); err != nil {
			return Request{}, err
		}
	}
	return req, nil
}

func packArchive(r *http.Request, req Request, text string, query url.Values) (Request, error) {
	if r.Method == http.MethodPut {
		return packPush(req, text, query)
	}
	req.Action = PackArchive
	if err := allow(r, http.MethodGet, http.MethodHead, http.MethodPut); err != nil {
		return Request{}, err
	}
	return req.referTo(text)
}

// longestMessage is the maximum length of the message for replacing a version, in bytes.
const longestMessage = 1000

// packPush parses the parameters of a pushed archive. force requires a message.
func packPush(req Request, version string, query url.Values) (Request, error) {
	req.Action, req.Version, req.Group, req.Message = PackPush, version, query.Get("group"), strings.TrimSpace(query.Get("message"))
	if _, err := parseTag(version, http.MethodPut); err != nil {
		return Request{}, err
	}
	tag := version
	if req.Group != "" {
		if strings.Contains(req.Group, "__") {
			return Request{}, problem.New(http.StatusBadRequest, problem.TagInvalid, "a group must not contain __, which separates it from the version")
		}
		tag = req.Group + "__" + version
	}
	var err error
	if req.Tag, err = parseTag(tag, http.MethodPut); err != nil {
		return Request{}, err
	}
	if text := query.Get("force"); text != "" {
		if req.Force, err = strconv.ParseBool(text); err != nil {
			return Request{}, problem.New(http.StatusBadRequest, problem.QueryInvalid,
				"force must be true or false, not %.40q", text)
		}
	}
	switch {
	case len(req.Message) > longestMessage:
		return Request{}, problem.New(http.StatusBadRequest, problem.QueryInvalid, "message has at most %d bytes", longestMessage)
	case req.Force && req.Message == "":
		return Request{}, problem.New(http.StatusBadRequest, problem.QueryInvalid,
			"force requires a reason: add message=…")
	}
	return req, nil
}
