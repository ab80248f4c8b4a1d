package packs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// Listed is a pack in a registry.
type Listed struct {
	Name    string   `json:"name"`
	Tags    []string `json:"tags"`              // by group and version, lowest first
	Latest  string   `json:"latest"`            // the tag of the highest version
	State   string   `json:"state,omitempty"`   // of the latest, as in ListedVersion
	EOL     string   `json:"eol,omitempty"`     // of the latest, as in ListedVersion
	Problem string   `json:"problem,omitempty"` // of the latest, as in ListedVersion
}

// ListedVersion is a tag of a pack.
type ListedVersion struct {
	Tag        string    `json:"tag"`
	Version    string    `json:"version"` // the tag without its group
	Group      string    `json:"group"`
	Digest     string    `json:"digest"`
	Size       int64     `json:"size"`       // of the archive
	ParentTags []string  `json:"parentTags"` // that currently resolve to this tag
	Created    time.Time `json:"created,omitzero"`
	Message    string    `json:"message,omitempty"`
	State      string    `json:"state,omitempty"`   // deprecated, end of life or hidden; packhouse servers report it
	EOL        string    `json:"eol,omitempty"`     // yyyy-MM-dd; packhouse servers report it
	Problem    string    `json:"problem,omitempty"` // why it is not a pack
}

// concurrency is the number of concurrent requests of a listing.
const concurrency = 4

// List returns the packs below the base path, sorted by name.
func (c *Client) List(ctx context.Context) ([]Listed, error) {
	r, err := remote.NewRegistry(c.server)
	if err != nil {
		return nil, c.explain(err)
	}
	r.Client, r.PlainHTTP = c.auth, c.plain
	prefix := Repository(c.base, "") + "/"
	var names []string
	catalog := c.newPaging("its catalog")
	err = r.Repositories(ctx, "", func(page []string) error {
		repositories, err := catalog.next(page)
		for _, repository := range repositories {
			if name, ok := strings.CutPrefix(repository, prefix); ok && packName().MatchString(name) {
				names = append(names, name)
			}
		}
		return err
	})
	if err != nil {
		var answer *errcode.ErrorResponse
		if errors.As(err, &answer) && (answer.StatusCode == http.StatusNotFound || answer.StatusCode == http.StatusMethodNotAllowed) {
			return nil, fail(CodeNoCatalog, fmt.Sprintf("%s does not list its repositories", c.server),
				"name a pack: packhouse pack ls -n NAME").because(err)
		}
		return nil, c.explain(err)
	}
	slices.Sort(names)
	listed, versions := make([]Listed, len(names)), described{Client: c}
	err = each(names, func(i int, name string) error {
		repository, err := c.repository(name)
		if err != nil {
			return err
		}
		tags, err := c.listTags(ctx, repository)
		if isNotFound(err) { // deleted during the listing
			err = nil
		}
		if err != nil || len(tags) == 0 {
			return err
		}
		latest := versions.latest(ctx, name, tags)
		listed[i] = Listed{name, tags, latest.Tag, latest.State, latest.EOL, latest.Problem}
		return nil
	})
	if err != nil {
		return nil, c.explain(err)
	}
	return slices.DeleteFunc(listed, func(l Listed) bool { return len(l.Tags) == 0 }), nil
}

// each calls do for every item, with limited concurrency, and returns the first error.
func each[T any](items []T, do func(int, T) error) error {
	var (
		group sync.WaitGroup
		slots = make(chan struct{}, concurrency)
		errs  = make([]error, len(items))
	)
	for i, item := range items {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			errs[i] = do(i, item)
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Versions returns the tags of a pack, lowest first.
func (c *Client) Versions(ctx context.Context, name string) ([]ListedVersion, error) {
	repository, err := c.repository(name)
	if err != nil {
		return nil, err
	}
	tags, err := c.listTags(ctx, repository)
	if err == nil && len(tags) == 0 {
		err = errdef.ErrNotFound
	}
	if err != nil {
		return nil, c.explain(notThere(err, name, nil))
	}
	parents, states := ParentTags(tags), c.states(ctx, name)
	versions := make([]ListedVersion, len(tags))
	err = each(tags, func(i int, text string) error {
		tag, err := ParseTag(text)
		if err != nil {
			return err
		}
		v := ListedVersion{Tag: text, Version: tag.Label, Group: tag.Group, ParentTags: []string{}}
		for _, parent := range tag.Parents() {
			if parents[parent] == text {
				v.ParentTags = append(v.ParentTags, parent)
			}
		}
		artifact, descriptor, err := fetchArtifact(ctx, repository, text)
		var problem *Invalid
		switch {
		case errors.As(err, &problem):
			v.Digest, v.Problem = descriptor.Digest.String(), problem.What
		case err != nil:
			return err
		default:
			v.Digest, v.Size, v.Created, v.Message = artifact.Digest, artifact.Size, artifact.Created, artifact.Message
			v.Problem = artifact.Disagreement(name, text, nil)
		}
		if reported := states[text]; reported.Digest == v.Digest {
			v.describeState(reported)
		}
		versions[i] = v
		return nil
	})
	if err != nil {
		return nil, c.explain(err)
	}
	return versions, nil
}

// listTags returns the tags of a repository, by group and version.
func (c *Client) listTags(ctx context.Context, repository *remote.Repository) ([]string, error) {
	tags := []string{}
	pages := c.newPaging("the tags of " + repository.Reference.Repository)
	err := repository.Tags(ctx, "", func(page []string) error {
		fresh, err := pages.next(page)
		for _, tag := range fresh {
			if _, err := ParseTag(tag); err == nil {
				tags = append(tags, tag)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(tags, CompareTags)
	return tags, nil
}
