package config

import (
	"slices"
	"strings"
)

// distance is the number of letters to insert, delete, change or swap with their neighbour to get from a to b (optimal string alignment).
func distance(a, b string) int {
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

// nearest returns the candidate most like name, and "" when none is like it. What people get wrong are one or two letters, or the case.
func nearest(name string, candidates []string) string {
	if len(name) > 80 {
		return ""
	}
	lower := strings.ToLower(name)
	best, least := "", 1+max(1, len(name)/4)
	for _, c := range candidates {
		other, d := strings.ToLower(c), least
		switch {
		case min(len(lower), len(other)) >= 4 && (strings.HasPrefix(lower, other) || strings.HasPrefix(other, lower)):
			d = min(distance(lower, other), 1) // cert for certificate, warning for warn
		case len(other)-len(lower) < least && len(lower)-len(other) < least:
			d = distance(lower, other)
		}
		if d < least && d < len(c) {
			best, least = c, d
		}
	}
	return best
}

// slips are mistakes that documentation of others has printed, or that are too far from the right word to be found by their letters.
var slips = map[string]string{
	"httppasswd": "htpasswd",
	"htpassword": "htpasswd",
	"cert":       "certificate",
	"crt":        "certificate",
	"rootdir":    "rootdirectory",
	"minversion": "minimumtls",
	"file":       "filesystem",
	"local":      "filesystem",
	"memory":     "inmemory",
	"aws":        "s3",
	"minio":      "s3",
	"address":    "addr",
	"listen":     "addr",
	"basic":      "htpasswd",
	"logging":    "log",
	"timeout":    "draintimeout",
	"privatekey": "key",
}

// meant returns the full path of the key that an unknown name below parent most probably means, or "". Names of the same level go first,
// then a key of exactly that name elsewhere (the usual case: indentation), then a similar one elsewhere.
func meant(parent *key, parentPath, name string) string {
	here := make([]string, 0, len(parent.keys))
	for _, k := range parent.keys {
		here = append(here, k.name)
	}
	if right, ok := slips[strings.ToLower(name)]; ok && slices.Contains(here, right) {
		return join(parentPath, right)
	}
	if n := nearest(name, here); n != "" {
		return join(parentPath, n)
	}
	var exact string
	var names []string
	paths := map[string]string{}
	walk(root, "", func(path string, k *key) {
		if strings.EqualFold(k.name, name) && exact == "" {
			exact = path
		}
		if _, seen := paths[k.name]; !seen {
			paths[k.name] = path
			names = append(names, k.name)
		}
	})
	if exact != "" {
		return exact
	}
	if right, ok := slips[strings.ToLower(name)]; ok {
		return paths[right]
	}
	return paths[nearest(name, names)]
}
