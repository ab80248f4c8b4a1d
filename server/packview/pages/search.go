package pages

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"

	"packhouse/packs"
	"packhouse/server/auth"
	"packhouse/server/packview/record"
	"packhouse/server/reference"
	"packhouse/server/route"
)

// matches reports whether the card has the layer and the cloud type of a request, and contains every
// word of its search. A word may name what it is compared with: image:, cloud:, layer: or state:.
func (c card) matches(req route.Request) bool {
	s := c.summary
	if s == nil {
		s = &record.Summary{}
	}
	if req.Layer != "" && c.Layer != req.Layer || req.Cloud != "" && !runsOn(s.CloudTypes, req.Cloud) {
		return false
	}
	images := strings.ToLower(s.Images)
	text := strings.ToLower(strings.Join([]string{
		c.Name, c.Title, c.Layer, c.Kind, c.Latest, c.State, s.Description, strings.Join(s.CloudTypes, " "),
	}, " "))
	named := map[string]func(value string) bool{
		"image": func(value string) bool { return strings.Contains(images, value) },
		"cloud": func(value string) bool { return runsOn(s.CloudTypes, value) },
		"layer": func(value string) bool { return c.Layer == value },
		"state": func(value string) bool { return strings.Contains(c.State, value) },
	}
	for word := range strings.FieldsSeq(strings.ToLower(req.Search)) {
		name, value, _ := strings.Cut(word, ":")
		has, ok := named[name]
		if !ok || name == word {
			has, value = func(word string) bool {
				return strings.Contains(text, word) || strings.ContainsRune(word, '/') && strings.Contains(images, word)
			}, word
		}
		if !has(value) {
			return false
		}
	}
	return true
}

// older returns the value of ?versions in links that repeat a search.
func older(req route.Request) string {
	if req.Older {
		return "all"
	}
	return ""
}

// searchedAtOnce is the number of versions of one pack that a search in older versions describes at once.
const searchedAtOnce = 100

// olderSearch searches all versions of packs.
type olderSearch struct {
	*Pages
	left atomic.Int64 // versions that may still be searched; negative: some were not
}

// card is a cardFinder for the highest version that matches the search.
func (s *olderSearch) card(ctx context.Context, req route.Request, tags []string, highest string) (card, error) {
	others := slices.DeleteFunc(slices.Clone(tags), func(tag string) bool { return tag == highest })
	slices.SortFunc(others, func(a, b string) int { return packs.CompareTags(b, a) })
	var found card
	for some := range slices.Chunk(append([]string{highest}, others...), searchedAtOnce) {
		if s.left.Add(-int64(len(some))) < 0 {
			break
		}
		versions, err := s.o.View.Versions(ctx, req.Repository, tags, some)
		if err != nil {
			return card{}, err
		}
		for _, v := range versions {
			c := s.describe(req, v)
			c.Name, c.Latest, c.URL = req.Pack, v.Tag, s.packAddress(req, v.Tag, "")
			if !c.matches(req) {
				continue
			}
			if found.Matching == 0 {
				found = c
			}
			found.Matching++
		}
	}
	return found, nil
}

// runsOn reports whether a pack with cloud types runs on one.
func runsOn(types []string, cloud string) bool {
	return slices.Contains(types, cloud) || slices.Contains(types, "all")
}

// baseLink is a base path with packs.
type baseLink struct {
	Name string // empty: no path
	URL  string
}

// Limits of the links to base paths.
const (
	mostBases  = 30
	basesAmong = 1000 // repositories, in the order of their names
)

// bases links to the other base paths with packs that the user may read, and to the default one. It
// knows those of the first repositories.
func (p *Pages) bases(ctx context.Context, grant auth.Grant) ([]baseLink, error) {
	names, _, err := p.o.Store.Repositories(ctx, "", basesAmong, grant.Visible)
	if err != nil {
		return nil, err
	}
	found := []string{p.o.Packs}
	for _, name := range names {
		repository, err := reference.ParseRepository(name)
		if err != nil {
			continue
		}
		if base, _, pack := repository.Pack(); pack && !slices.Contains(found, base) && len(found) < mostBases {
			found = append(found, base)
		}
	}
	var links []baseLink
	for _, base := range found {
		if base != grant.Request.Base {
			links = append(links, baseLink{base, p.address(route.Request{Action: route.PagePacks, Base: base}, "/packs")})
		}
	}
	return links, nil
}
