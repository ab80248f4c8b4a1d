// Package spelling suggests the name that a misspelled one probably stands for: the key of a configuration, the flag of a
// command.
package spelling

import "strings"

// Distance is the number of letters to insert, delete, change or swap with their neighbour to get from a to b (optimal string alignment).
func Distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			change := 1
			if x[i-1] == y[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}

// Nearest returns the candidate most like name, and "" when none is like it. What people get wrong are one or two letters, or the case.
func Nearest(name string, candidates []string) string {
	if len(name) > 80 {
		return ""
	}
	lower := strings.ToLower(name)
	best, least := "", 1+max(1, len(name)/4)
	for _, c := range candidates {
		other, d := strings.ToLower(c), least
		switch {
		case min(len(lower), len(other)) >= 4 && (strings.HasPrefix(lower, other) || strings.HasPrefix(other, lower)):
			d = min(Distance(lower, other), 1) // cert for certificate, warning for warn
		case len(other)-len(lower) < least && len(lower)-len(other) < least:
			d = Distance(lower, other)
		}
		if d < least && d < len(c) {
			best, least = c, d
		}
	}
	return best
}
