package packs

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// States of a pack. One without a state is active.
const (
	Deprecated = "deprecated"
	EndOfLife  = "end of life"
	Hidden     = "hidden" // Palette does not offer it for new profiles
)

// Lifecycle is what a pack.json says about the end of a pack.
type Lifecycle struct {
	System string // annotation system_state, in lower case
	EOL    string // yyyy-MM-dd
}

// Lifecycle returns the life cycle of the pack.
func (m *Metadata) Lifecycle() Lifecycle {
	return Lifecycle{strings.ToLower(strings.TrimSpace(m.Annotations["system_state"])), m.EOL}
}

// State returns the state at a time, or "" for an active pack. A pack reaches its end of life when
// the day of its EOL has passed, in UTC.
func (l Lifecycle) State(now time.Time) string {
	if slices.Contains([]string{"deleted", "disabled", Hidden}, l.System) {
		return Hidden
	}
	if eol, err := time.Parse(time.DateOnly, l.EOL); err == nil && !now.Before(eol.AddDate(0, 0, 1)) {
		return EndOfLife
	}
	if l.System == Deprecated {
		return Deprecated
	}
	return ""
}

// statesOnPage is the number of tags that a server describes at once.
const statesOnPage = 1000

// states returns the states of a pack's tags and the times of their pushes, which a packhouse server
// reports. From any other registry, or after an error, it returns none: the states are in the
// archives.
func (c *Client) states(ctx context.Context, name string) map[string]ListedVersion {
	states, last := map[string]ListedVersion{}, ""
	for {
		page, err := c.statesAfter(ctx, name, last, statesOnPage)
		if err != nil {
			return states
		}
		for _, v := range page {
			states[v.Tag] = v
		}
		if len(page) < statesOnPage || page[len(page)-1].Tag == last {
			return states
		}
		last = page[len(page)-1].Tag
	}
}

// described describes the latest versions of packs. It is safe for concurrent use.
type described struct {
	*Client
	failed atomic.Bool // the server did not describe a version: it is not asked again
}

// latest returns the highest version of a pack with what a packhouse server reports about it. If there
// is none, it returns the last tag.
func (d *described) latest(ctx context.Context, name string, tags []string) ListedVersion {
	tag, ok := Highest(tags)
	if !ok {
		tag = tags[len(tags)-1]
	}
	v := ListedVersion{Tag: tag}
	if d.failed.Load() {
		return v
	}
	before := "" // the tag before it in the order of the server
	for _, other := range tags {
		if other < tag {
			before = max(before, other)
		}
	}
	page, err := d.statesAfter(ctx, name, before, 1)
	if err != nil {
		d.failed.Store(true)
	}
	for _, reported := range page {
		if reported.Tag == tag {
			v.describeState(reported)
		}
	}
	return v
}

// statesAfter returns what the server reports about the first n tags after last.
func (c *Client) statesAfter(ctx context.Context, name, last string, n int) ([]ListedVersion, error) {
	query := url.Values{"base": {c.base}, "n": {fmt.Sprint(n)}, "last": {last}}
	address := url.URL{
		Scheme: map[bool]string{true: "http", false: "https"}[c.plain], Host: c.server,
		Path: "/v1/" + name + "/tags/list", RawQuery: query.Encode(),
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := c.auth.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // read only
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answers %d", response.StatusCode)
	}
	var answer struct {
		Packs []ListedVersion `json:"packs"`
	}
	const most = 4 << 20 // of an answer of packhouse
	err = json.NewDecoder(io.LimitReader(response.Body, most)).Decode(&answer)
	return answer.Packs, err
}

// describeState sets what the server reports about a version.
func (v *ListedVersion) describeState(reported ListedVersion) {
	v.State, v.EOL = clip(reported.State, maxTextValue), clip(reported.EOL, maxTextValue)
	if v.Created.IsZero() {
		v.Created = reported.Created // when it was pushed
	}
	v.Problem = cmp.Or(v.Problem, clip(reported.Problem, maxSentence))
}
