package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Repositories that are listed.
const (
	manyTags = "list/many"
	fewTags  = "list/few"
)

const onePage = "tags, all in one page"

// listings are scenarios about catalogues and tags. The tags that they list
// are what the first of them pushes; where a peer is too slow to push them all
// within the time, it has fewer to list, and the report says so.
func listings(o options) []scenario {
	fill := func(ctx context.Context, t *target) error { return t.fillTags(ctx, o, manyTags, o.tags) }
	page := func(repository string) func(ctx context.Context, t *target, _ int, _ blob) error {
		return func(ctx context.Context, t *target, _ int, _ blob) error {
			_, err := t.do(ctx, request{method: "GET", path: fmt.Sprintf("/v2/%s/tags/list?n=100&last=%s", repository, tagName(t.tags[repository]/2))})
			return err
		}
	}
	return []scenario{
		{
			name: "tag pushes", kind: listing,
			once: func(ctx context.Context, t *target, o options) (float64, error) {
				started := time.Now()
				err := t.fillTags(ctx, o, manyTags, o.tags)
				return float64(t.tags[manyTags]) / time.Since(started).Seconds(), err
			},
		},
		{
			name: "the last 1,000 tag pushes against the first", kind: listing, unit: factor,
			once: func(ctx context.Context, t *target, _ options) (float64, error) { return t.flatness, fill(ctx, t) },
		},
		{
			name: onePage, kind: listing, unit: millis, clients: 1,
			prepare: func(ctx context.Context, t *target) error {
				if err := fill(ctx, t); err != nil {
					return err
				}
				return t.countPage(ctx, manyTags)
			},
			operate: func(ctx context.Context, t *target, _ int, _ blob) error {
				_, err := t.do(ctx, request{method: "GET", path: "/v2/" + manyTags + "/tags/list"})
				return err
			},
		},
		{
			name: "tags, walk by 100", kind: listing, unit: millis, clients: 1, prepare: fill,
			operate: func(ctx context.Context, t *target, _ int, _ blob) error {
				pages, err := t.walk(ctx, "/v2/"+manyTags+"/tags/list?n=100")
				if want := (t.tags[manyTags] + 99) / 100; err == nil && pages != want && pages != want+1 {
					err = fmt.Errorf("%d pages of 100 for %d tags", pages, t.tags[manyTags])
				}
				return err
			},
		},
		{
			name: "tags, a page of 100 in 1,000", kind: listing, unit: millis, clients: 1, operate: page(fewTags),
			prepare: func(ctx context.Context, t *target) error { return t.fillTags(ctx, o, fewTags, thousand) },
		},
		{name: "tags, a page of 100 in all", kind: listing, unit: millis, clients: 1, operate: page(manyTags), prepare: fill},
		{
			name: "catalogue, walk by 100", kind: listing, unit: millis, clients: 1,
			prepare: func(ctx context.Context, t *target) error { return t.fillCatalogue(ctx, o) },
			operate: func(ctx context.Context, t *target, _ int, _ blob) error {
				pages, err := t.walk(ctx, "/v2/_catalog?n=100")
				if err == nil && pages < o.catalogue/100 {
					err = fmt.Errorf("%d pages of 100 for %d repositories", pages, o.catalogue)
				}
				return err
			},
		},
	}
}

// fillTags gives one small artifact many tags, once, for as long as it may
// take, and notes how many it has and whether it became slower.
func (t *target) fillTags(ctx context.Context, o options, repository string, count int) error {
	if t.tags[repository] > 0 {
		return nil
	}
	layer := sharedBlob(kib)
	if err := t.pushArtifact(ctx, repository, tagName(0), layer); err != nil {
		return err
	}
	manifest := manifestOf(configOf(layer), layer)
	var mu sync.Mutex
	var finished []time.Time
	started := time.Now()
	err := parallel(ctx, o.clients, count-1, o.fill, func(ctx context.Context, number int) error {
		err := t.pushManifest(ctx, repository, tagName(number+1), manifest)
		mu.Lock()
		finished = append(finished, time.Now())
		mu.Unlock()
		return err
	})
	t.tags[repository] = len(finished) + 1
	if repository == manyTags && len(finished) >= 2*thousand {
		slices.SortFunc(finished, time.Time.Compare)
		first, last := finished[thousand-1].Sub(started), finished[len(finished)-1].Sub(finished[len(finished)-1-thousand])
		t.flatness = first.Seconds() / last.Seconds()
	}
	return err
}

// countPage notes how many tags somebody gets who asks for no page. Some
// servers bound it.
func (t *target) countPage(ctx context.Context, repository string) error {
	var body bytes.Buffer
	if _, err := t.do(ctx, request{method: "GET", path: "/v2/" + repository + "/tags/list", to: &body}); err != nil {
		return err
	}
	var list struct{ Tags []string }
	if err := json.Unmarshal(body.Bytes(), &list); err != nil {
		return fmt.Errorf("read tags: %w", err)
	}
	t.page = len(list.Tags)
	return nil
}

// fillCatalogue makes repositories of one blob and one manifest each.
func (t *target) fillCatalogue(ctx context.Context, o options) error {
	if t.listed {
		return nil
	}
	t.listed = true
	only := sharedBlob(kib)
	manifest := manifestOf(only, only)
	if err := t.pushBlob(ctx, catalogueName(0), only); err != nil {
		return err
	}
	return parallel(ctx, o.clients, o.catalogue, 0, func(ctx context.Context, number int) error {
		if number > 0 {
			_, err := t.do(ctx, request{
				method: "POST", path: fmt.Sprintf("/v2/%s/blobs/uploads/?mount=%s&from=%s", catalogueName(number), only.digest, catalogueName(0)), want: []int{http.StatusCreated},
			})
			if err != nil {
				return err
			}
		}
		return t.pushManifest(ctx, catalogueName(number), "v1", manifest)
	})
}

// walk follows the links of a listing to its end, and returns how many pages
// there were.
func (t *target) walk(ctx context.Context, path string) (pages int, err error) {
	for path != "" {
		got, err := t.do(ctx, request{method: "GET", path: path})
		if err != nil {
			return pages, err
		}
		pages++
		if pages > 1_000_000 {
			return pages, errors.New("the pages have no end")
		}
		next, _, ok := strings.Cut(strings.TrimPrefix(got.header.Get("Link"), "<"), ">")
		if !ok {
			return pages, nil
		}
		path = next
	}
	return pages, nil
}

func tagName(number int) string { return fmt.Sprintf("t%06d", number) }

func catalogueName(number int) string { return fmt.Sprintf("catalogue/r%06d", number) }
