package pages

// LimitSearch sets the number of versions that a search in older versions covers.
func (p *Pages) LimitSearch(n int64) { p.searched = n }
