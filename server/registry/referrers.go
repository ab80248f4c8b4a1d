package registry

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/server/auth"
	"packhouse/server/manifest"
	"packhouse/server/reference"
	"packhouse/server/route"
	"packhouse/server/storage"
)

const (
	// referrersAtOnce is the number of referrers that the registry asks the store for at once.
	referrersAtOnce = 1000
	// smallReferrers is the number of bytes of descriptors that a listing reads without waiting for others.
	smallReferrers = 256 << 10
	// mostReferrers is the number of bytes of descriptors on one page, unless a single descriptor is larger.
	mostReferrers = 1 << 20
	// mostBatches is the number of times that one request asks the store, and mostFiltered the same with a filter, which may
	// match nothing. The client requests the rest with the Link.
	mostBatches, mostFiltered = 8, 2
	// largeListings is the number of listings beyond smallReferrers that the server reads at once.
	largeListings = 4
)

// listReferrers lists the manifests whose subject is a digest, known or not, as an index (end-12). It returns pages of
// mostReferrers bytes at most, or one descriptor, with a Link to the next page.
func (g *Registry) listReferrers(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	req := grant.Request
	page, err := g.referrers(r.Context(), req)
	if err != nil && !errors.Is(err, storage.ErrRepositoryUnknown) {
		return err
	}
	h, query := w.Header(), url.Values{}
	if req.ArtifactType != "" {
		h.Set("Oci-Filters-Applied", "artifactType")
		query.Set("artifactType", req.ArtifactType)
	}
	if page.more && page.last != "" {
		route.Next(h, g.location(req.Repository, "referrers", req.Digest.String()), query, req.Page.N, page.last.String())
	}
	const head, tail = `{"schemaVersion":2,"mediaType":"` + manifest.OCIIndex + `","manifests":[`, `]}`
	h.Set("Content-Type", manifest.OCIIndex)
	h.Set("Content-Length", strconv.Itoa(len(head)+page.size+max(0, len(page.entries)-1)+len(tail)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	_, _ = io.WriteString(w, head) // ignored: the client may have disconnected
	for i, entry := range page.entries {
		if i > 0 {
			_, _ = io.WriteString(w, ",")
		}
		if _, err := w.Write(entry); err != nil {
			return nil //nolint:nilerr // as above
		}
	}
	_, _ = io.WriteString(w, tail)
	return nil
}

// referrerPage is one page of a listing of referrers.
type referrerPage struct {
	entries [][]byte      // descriptors as JSON
	size    int           // of the entries, in bytes
	last    digest.Digest // the last one that was read, whether it matches the filter or not
	more    bool          // another page follows last
}

// referrers reads one page, which may be empty although others follow. A listing that exceeds smallReferrers waits for
// its turn, so that many of them at once do not exhaust the memory.
func (g *Registry) referrers(ctx context.Context, req route.Request) (page referrerPage, err error) {
	pages, able := g.o.Store.(storage.ReferrerPages)
	if !able {
		pages = wholeListing{g.o.Store}
	}
	last, err := reference.ParseDigest(req.Page.Last)
	if err != nil {
		last = "" // add skips what comes before
	}
	limit, waited, batches := smallReferrers, false, mostBatches
	if req.ArtifactType != "" {
		batches = mostFiltered
	}
	for {
		n := referrersAtOnce
		if req.Page.N >= 0 && req.ArtifactType == "" {
			n = min(n, req.Page.N+1-len(page.entries))
		}
		if limit == storage.MostReferrer {
			n = 1
		}
		batch, next, err := pages.ReferrersAfter(ctx, req.Repository, req.Digest, last, n, limit-page.size)
		tooSmall := errors.Is(err, storage.ErrPageTooSmall)
		switch {
		case err != nil && (!tooSmall || limit == storage.MostReferrer):
			return page, err
		case tooSmall && waited && len(page.entries) > 0:
			page.last, page.more = last, true
			return page, nil
		case !tooSmall && (page.add(req, batch) || next == ""):
			return page, nil
		}
		if !tooSmall {
			last = next
			if batches--; batches == 0 {
				page.last, page.more = last, true
				return page, nil
			}
		}
		if limit = mostReferrers; tooSmall && waited {
			limit = storage.MostReferrer // for one large descriptor on a page of its own
		}
		if !waited {
			if err := g.listings.Acquire(ctx, 1); err != nil {
				return page, err
			}
			defer g.listings.Release(1)
			waited = true
		}
	}
}

// add appends the wanted referrers of a batch. It reports whether one of them exceeds the number that the client asked for.
func (p *referrerPage) add(req route.Request, batch []storage.Referrer) (full bool) {
	for _, r := range batch {
		if req.ArtifactType != "" && r.ArtifactType != req.ArtifactType || r.Digest.String() <= req.Page.Last {
			continue
		}
		if req.Page.N >= 0 && len(p.entries) == req.Page.N {
			p.more = true
			return true
		}
		p.entries, p.size, p.last = append(p.entries, r.Content), p.size+len(r.Content), r.Digest
	}
	return false
}

// wholeListing implements storage.ReferrerPages for a store that has no pages.
type wholeListing struct{ storage.Listings }

// ReferrersAfter implements storage.ReferrerPages.
func (l wholeListing) ReferrersAfter(
	ctx context.Context, repo reference.Repository, d, last digest.Digest, n, size int,
) (page []storage.Referrer, next digest.Digest, err error) {
	all, err := l.Referrers(ctx, repo, d)
	all = slices.DeleteFunc(slices.Clone(all), func(d manifest.Descriptor) bool { return d.Digest <= last })
	slices.SortFunc(all, func(a, b manifest.Descriptor) int { return strings.Compare(string(a.Digest), string(b.Digest)) })
	for i, r := range all {
		content, err := json.Marshal(r)
		if err != nil {
			return nil, "", err
		}
		size -= len(content)
		switch {
		case i == 0 && size < 0:
			return nil, "", storage.ErrPageTooSmall
		case i == n || size < 0:
			return page, next, nil
		}
		page, next = append(page, storage.Referrer{Digest: r.Digest, ArtifactType: r.ArtifactType, Content: content}), r.Digest
	}
	return page, "", err
}
