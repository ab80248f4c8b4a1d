package packs

import "fmt"

// Limits of a listing. The server decides how many pages it has, so a faulty server could return
// pages without end.
const (
	maxPages     = 1000
	maxListed    = 1 << 20
	maxIdlePages = 10 // consecutive pages without a new name: a server can leave out what a user must not see
)

// paging verifies that the pages of one listing advance.
type paging struct {
	server, what string // of the listing, for messages
	seen         map[string]bool
	pages, idle  int
}

// newPaging returns the state before the first page. what describes the list, such as "its
// catalog".
func (c *Client) newPaging(what string) *paging {
	return &paging{server: c.server, what: what, seen: map[string]bool{}}
}

// next returns the names of a page that no earlier page contained. It returns a *Failure if the
// server repeats pages or the listing exceeds its bounds.
func (p *paging) next(page []string) (fresh []string, err error) {
	for _, name := range page {
		if !p.seen[name] {
			p.seen[name] = true
			fresh = append(fresh, name)
		}
	}
	if p.idle++; len(fresh) > 0 {
		p.idle = 0
	}
	switch p.pages++; {
	case p.idle >= maxIdlePages:
		return nil, p.fault("repeats pages when it lists %s: its Link headers do not advance")
	case p.pages >= maxPages || len(p.seen) > maxListed:
		return nil, p.fault("sends too many pages when it lists %s")
	}
	return fresh, nil
}

func (p *paging) fault(format string) *Failure {
	return fail(CodeRefusedByIt, p.server+" "+fmt.Sprintf(format, p.what),
		"report this to the operator of the registry, or check the proxies in front of it")
}
