package pages

import (
	"context"
	"slices"
	"strings"

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
