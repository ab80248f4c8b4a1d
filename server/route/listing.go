package route

import (
	"maps"
	"net/http"
	"net/url"
	"strconv"
)

// Page is the requested part of a listing (distribution-spec, "Listing Tags").
type Page struct {
	Last string // ?last=: start after this entry; empty: from the beginning
	N    int    // ?n=: maximum number of entries; Unlimited if not given
}

// Unlimited is the N of a Page without a limit.
const Unlimited = -1

// Limit returns the maximum number of entries of the page: the requested number, at most limit.
func (p Page) Limit(limit int) int {
	if p.N == Unlimited || p.N > limit {
		return limit
	}
	return p.N
}

// Next sets the Link header to the page after last (RFC 8288), with n entries unless n is
// Unlimited. path is the path of the listing; query, which may be nil, has the parameters to
// repeat.
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
