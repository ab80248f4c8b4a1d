package route

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"packhouse/server/problem"
)

// sections are the sections of a pack's page with their own path.
var sections = []string{
	"values", "metadata", "files", "constraints", "images", "problems", "schema", "presets", "file", "changes",
}

// longestSearch is the maximum length of a search in bytes.
const longestSearch = 200

// parsePage parses the path of a page or an asset.
func (p Paths) parsePage(r *http.Request, path []string, query url.Values) (Request, error) {
	if last := len(path) - 1; last > 0 && path[last] == "" {
		path = path[:last] // ignore a trailing slash
	}
	req, err := p.page(path, query)
	if err != nil {
		return Request{}, err
	}
	if err := allow(r, http.MethodGet, http.MethodHead); err != nil {
		return Request{}, err
	}
	req.Search, req.Layer, req.Cloud = strings.TrimSpace(query.Get("q")), query.Get("layer"), query.Get("cloud")
	if max(len(req.Search), len(req.Layer), len(req.Cloud)) > longestSearch {
		return Request{}, problem.New(http.StatusBadRequest, problem.QueryInvalid,
			"a search has at most %d bytes", longestSearch)
	}
	switch text := query.Get("versions"); text {
	case "":
	case "all":
		req.Older = true
	default:
		return Request{}, problem.New(http.StatusBadRequest, problem.QueryInvalid,
			"versions is all or empty, not %.40q", text)
	}
	switch req.Section {
	case "file":
		req.File = query.Get("path")
	case "changes":
		if text := query.Get("from"); text != "" {
			from, err := (Request{}).referTo(text)
			if err != nil {
				return Request{}, err
			}
			req.Before = Version{from.Tag, from.Digest}
		}
	}
	return req, nil
}

func (p Paths) page(path []string, query url.Values) (Request, error) {
	var err error
	switch rest := path[1:]; {
	case len(rest) == 0 && path[0] == "":
		return Request{Action: PageRoot}, nil
	case len(rest) == 0 && path[0] == "packs":
		req := Request{Action: PagePacks}
		if req.Base, err = p.base(query); err == nil {
			req.Page, err = parsePage(query)
		}
		return req, err
	case path[0] == "packs" && len(rest) <= 3:
		req, err := p.pack(rest[0], query)
		req.Action = PagePack
		if err != nil || len(rest) == 1 {
			return req, err
		}
		if len(rest) == 3 {
			if req.Section = rest[2]; !slices.Contains(sections, req.Section) {
				return Request{}, problem.NoRoute()
			}
		}
		return req.referTo(rest[1])
	case path[0] == "repositories":
		req := Request{Action: PageRepositories}
		if len(rest) > 0 {
			req.Action = PageRepository
			if req.Repository, err = parseName(strings.Join(rest, "/")); err != nil {
				return req, err
			}
		}
		req.Page, err = parsePage(query)
		return req, err
	case path[0] == "assets" && len(rest) == 1:
		return Request{Action: PageAsset, Asset: rest[0]}, nil
	}
	return Request{}, problem.NoRoute()
}
