package auth

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// pattern matches repository names by whole path segments. "**" matches any number of segments,
// including none; within a segment "*", "?" and "[…]" work as in path.Match. For example,
// "team-a/**" matches team-a and everything below it, but not team-ab.
type pattern []string

var errPattern = errors.New("a pattern is path segments, such as team-a/** or */base")

func parsePattern(s string) (pattern, error) {
	p := pattern(strings.Split(s, "/"))
	for _, segment := range p {
		_, err := path.Match(segment, "")
		if segment == "" || err != nil || (segment != "**" && strings.Contains(segment, "**")) {
			return nil, fmt.Errorf("%q: %w", s, errPattern)
		}
	}
	return slices.CompactFunc(p, func(a, b string) bool { return a == "**" && b == "**" }), nil
}

func (p pattern) match(name string) bool { return matchSegments(p, strings.Split(name, "/")) }

// matchSegments backtracks only to the last "**", so its running time is at most the product of the
// lengths.
func matchSegments(pattern, name []string) bool {
	star, mark := -1, 0
	p, n := 0, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == "**":
			star, mark = p, n
			p++
		case p < len(pattern) && matchSegment(pattern[p], name[n]):
			p++
			n++
		case star >= 0:
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == "**" {
		p++
	}
	return p == len(pattern)
}

func matchSegment(pattern, segment string) bool {
	ok, err := path.Match(pattern, segment)
	return ok && err == nil
}
