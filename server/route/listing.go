package route

import (
	"maps"
	"net/http"
	"net/url"
	"strconv"
)

// Page is the part of a listing that is asked for (distribution-spec, "Listing Tags").
type Page struct {
	Last string // ?last=: what to start after; empty: at the beginning
	N    int    // ?n=: how many at most; Unlimited where it is not given
}

// Unlimited is the N of a Page that does not say how many.
const Unlimited = -1

// Limit returns how many entries the page has at most: as many as were asked for, but no more than limit.
func (p Page) Limit(limit int) int {
	if p.N == Unlimited || p.N > limit {
		return limit
	}
	return p.N
}

// Next sets the Link header that leads to the page after last (RFC 8288), of n entries where n is not Unlimited. Path is that of the listing;
// query, which may be nil, holds what is to be asked for again.
func Next(h http.Header, path string, query url.Values, n int, last string) {
	next := maps.Clone(query)
	if next == nil {
		next = url.Values{}
	}
	if n != Unlimited {
		next.Set("n", strconv.Itoa(n))
	}
	next.Set("last", last)
	h.Set("Link", "<"+path+"?"+next.Encode()+`>; rel="next"`)
}
