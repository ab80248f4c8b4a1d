package packs

// Lint tells everything that is wrong with the pack, in the order in which people fix it.
func (p *Pack) Lint() []Problem { return p.problems }
