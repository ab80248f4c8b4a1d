package pages

import (
	"context"
	"errors"
	"hash/fnv"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"packhouse/packs"
	"packhouse/server/auth"
	"packhouse/server/packview"
	"packhouse/server/packview/record"
	"packhouse/server/reference"
	"packhouse/server/route"
	"packhouse/server/storage"
)

const (
	packsOnPage  = 120    // packs on one page
	mostPacks    = 10_000 // packs that a search covers
	mostSearched = 5_000  // versions that a search in older versions covers
	mostFound    = 500    // packs in a search result
)

// card is a pack in the list.
type card struct {
	Name     string
	Title    string
	Layer    string
	Kind     string // subtype of an add-on: "ingress"
	State    string // of the life cycle: "deprecated"; empty: active
	Latest   string // the highest version, or the highest that matches a search in older versions
	Matching int    // versions that match a search in older versions; 0: only the highest was searched
	Versions int
	Problem  string
	URL      string
	Logo     string // URL; empty: show Letter on a background of Hue
	Letter   string
	Hue      uint32

	summary *record.Summary // nil if there is no record yet
}

// packList is the page of packs.
type packList struct {
	Cards  []card
	Total  int // matching
	More   int // matching, but not shown
	Any    bool
	Search string
	Older  bool // a search covers older versions
	Cut    int  // versions that a search covered, if there are others; 0: it covered all
	Layer  string
	Layers []layerLink
	Cloud  string
	Clouds []string
	Bases  []baseLink
	Base   string // in the query of a search; empty: the default
	Next   string
	Server string
}

type layerLink struct {
	Name, URL string
	Current   bool
}

// listPacks shows the packs that the user may read, optionally filtered by a search.
func (p *Pages) listPacks(r *http.Request, grant auth.Grant) (*page, error) {
	req := grant.Request
	names, err := p.packNames(r.Context(), grant)
	if err != nil {
		return nil, err
	}
	list := packList{
		Search: req.Search, Older: req.Older, Layer: req.Layer, Cloud: req.Cloud, Clouds: packs.CloudTypes()[1:], Any: len(names) > 0,
	}
	if req.Base != p.o.Packs {
		list.Base = req.Base
	}
	if list.Bases, err = p.bases(r.Context(), grant); err != nil {
		return nil, err
	}
	_, list.Server = p.server(r)
	for _, layer := range append([]string{""}, packs.Layers...) {
		to := p.address(req, "/packs", "q", req.Search, "cloud", req.Cloud, "versions", older(req), "layer", layer)
		list.Layers = append(list.Layers, layerLink{layer, to, layer == req.Layer})
	}
	searching := req.Search != "" || req.Layer != "" || req.Cloud != ""
	if !searching {
		list.Total = len(names)
		names = after(names, req.Page.Last)
		if len(names) > packsOnPage {
			names = names[:packsOnPage]
			list.Next = p.address(req, "/packs", "last", names[len(names)-1])
		}
	}
	find := p.highestCard
	search := olderSearch{Pages: p}
	search.left.Store(p.searched)
	if searching && req.Older {
		find = search.card
	}
	shown := func(c card) bool { return !searching || req.Older || c.matches(req) }
	if list.Cards, err = p.cards(r.Context(), req, names, find, shown); err != nil {
		return nil, err
	}
	if search.left.Load() < 0 {
		list.Cut = int(p.searched)
	}
	if searching {
		list.Total = len(list.Cards)
		list.Cards = list.Cards[:min(list.Total, mostFound)]
		list.More = list.Total - len(list.Cards)
	}
	return &page{template: "packs", Title: "Packs", Here: "packs", Data: list}, nil
}

// after returns the names after last.
func after(names []string, last string) []string {
	i, found := slices.BinarySearch(names, last)
	if found {
		i++
	}
	return names[i:]
}

// packNames lists the packs below the base path that the user may read.
func (p *Pages) packNames(ctx context.Context, grant auth.Grant) ([]string, error) {
	prefix, last := reference.PackPrefix(grant.Request.Base), ""
	var names []string
	for len(names) < mostPacks {
		found, more, err := storage.RepositoriesIn(ctx, p.o.Store, prefix, prefix+last, 1000, func(repository reference.Repository) bool {
			base, _, pack := repository.Pack()
			return pack && base == grant.Request.Base && (grant.Visible == nil || grant.Visible(repository))
		})
		if err != nil {
			return nil, err
		}
		for _, name := range found {
			names = append(names, strings.TrimPrefix(name, prefix))
		}
		if !more || len(found) == 0 {
			break
		}
		last = names[len(names)-1]
	}
	slices.Sort(names)
	return names, nil
}

// cards describes the packs for which find returns a version and shown returns true.
func (p *Pages) cards(
	ctx context.Context, req route.Request, names []string, find cardFinder, shown func(card) bool,
) ([]card, error) {
	all := make([]*card, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i, name := range names {
		group.Go(func() error {
			c, err := p.card(ctx, req, name, find)
			if err == nil && c.Versions > 0 && shown(c) {
				all[i] = &c
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var cards []card
	for _, c := range all {
		if c != nil {
			cards = append(cards, *c)
		}
	}
	return cards, nil
}

// cardFinder returns the card of a pack from one of its tags, of which highest is the highest. It
// returns a card without versions if there is none to show.
type cardFinder func(ctx context.Context, req route.Request, tags []string, highest string) (card, error)

// card returns the card of a pack, without versions if there is none to show.
func (p *Pages) card(ctx context.Context, req route.Request, name string, find cardFinder) (card, error) {
	repo, err := reference.ParseRepository(packs.Repository(req.Base, name))
	if err != nil {
		return card{}, err
	}
	tags, err := p.o.View.Tags(ctx, repo)
	if errors.Is(err, storage.ErrRepositoryUnknown) || err == nil && len(tags) == 0 {
		return card{}, nil
	}
	if err != nil {
		return card{}, err
	}
	highest, ok := packs.Highest(tags)
	if !ok {
		highest = tags[len(tags)-1]
	}
	req.Pack, req.Repository, req.Action = name, repo, route.PagePack
	c, err := find(ctx, req, tags, highest)
	if err != nil || c.Latest == "" {
		return card{}, err
	}
	c.Versions = len(tags)
	return c, nil
}

// highestCard is a cardFinder for the highest version.
func (p *Pages) highestCard(ctx context.Context, req route.Request, tags []string, highest string) (card, error) {
	versions, err := p.o.View.Versions(ctx, req.Repository, tags, []string{highest})
	if err != nil || len(versions) == 0 {
		return card{}, err
	}
	c := p.describe(req, versions[0])
	c.Name, c.Latest, c.URL = req.Pack, highest, p.packAddress(req, "", "")
	return c, nil
}

// describe returns the card of a pack, from one of its versions.
func (p *Pages) describe(req route.Request, v *packview.Version) card {
	c := card{Title: req.Pack, Problem: v.Problem, State: v.State, summary: v.Summary}
	if s := v.Summary; s != nil {
		c.Layer, c.Kind = packs.Printable(s.Layer), packs.Printable(s.AddonType)
		if title := strings.TrimSpace(packs.Printable(s.DisplayName)); title != "" {
			c.Title = title
		}
		if s.Logo != "" {
			c.Logo = p.logoAddress(req, s.Logo)
		}
	}
	first, _ := utf8.DecodeRuneInString(c.Title)
	c.Letter = string(unicode.ToUpper(first))
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(req.Pack)) // cannot fail
	c.Hue = hash.Sum32() % 6
	return c
}
