package packs

import (
	"cmp"
	"slices"
	"strings"
)

// CompareVersions compares versions in natural order. It ignores a leading v; numbers of any length
// compare numerically, and 1.2 precedes 1.2.0; a suffix starting with - is a pre-release (Semantic
// Versioning 2.0.0, section 11), so that 2.0.2-up.3 < 2.0.2-up.10 < 2.0.2. A text without a number
// precedes all versions. Only identical texts are equal.
func CompareVersions(a, b string) int {
	left, right := splitVersion(a), splitVersion(b)
	return cmp.Or(
		compareNumbers(left.numbers, right.numbers, true),
		cmp.Compare(len(left.numbers), len(right.numbers)),
		comparePrerelease(left.rest, right.rest),
		strings.Compare(a, b),
	)
}

// version is a parsed version.
type version struct {
	numbers []string // without leading zeros
	rest    string   // the remainder: "-up.3", "-rc1", "" or anything
}

func splitVersion(text string) version {
	v := version{numbers: numbers(text)}
	if len(v.numbers) == 0 {
		v.rest = text
		return v
	}
	rest := strings.TrimPrefix(text, "v")
	v.rest = rest[numbersLength(rest):]
	return v
}

// numbers returns the dotted numbers that a version starts with, without leading zeros: 22.04 is 22
// and 4.
func numbers(text string) []string {
	text = strings.TrimPrefix(text, "v")
	text = text[:numbersLength(text)]
	if text == "" {
		return nil
	}
	parts := strings.Split(text, ".")
	for i, p := range parts {
		if parts[i] = strings.TrimLeft(p, "0"); parts[i] == "" {
			parts[i] = "0"
		}
	}
	return parts
}

// numbersLength returns the length of the dotted numbers at the start of text.
func numbersLength(text string) int {
	end := 0
	for i := 0; i < len(text); {
		start := i
		for i < len(text) && text[i] >= '0' && text[i] <= '9' {
			i++
		}
		if i == start {
			break
		}
		end = i
		if i == len(text) || text[i] != '.' {
			break
		}
		i++
	}
	return end
}

// compareNumbers compares lists of numbers. If padded, missing numbers count as zeros; otherwise
// only the common length is compared.
func compareNumbers(a, b []string, padded bool) int {
	most := max(len(a), len(b))
	if !padded {
		most = min(len(a), len(b))
	}
	for i := range most {
		if c := compareNumber(at(a, i), at(b, i)); c != 0 {
			return c
		}
	}
	if len(a) == 0 || len(b) == 0 {
		return cmp.Compare(len(a), len(b))
	}
	return 0
}

func at(parts []string, i int) string {
	if i < len(parts) {
		return parts[i]
	}
	return "0"
}

// compareNumber compares decimal numbers of any length.
func compareNumber(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// comparePrerelease compares the remainders: one starting with - precedes none, any other follows
// it.
func comparePrerelease(a, b string) int {
	return cmp.Or(
		cmp.Compare(restClass(a), restClass(b)),
		slices.CompareFunc(strings.FieldsFunc(a, isSeparator), strings.FieldsFunc(b, isSeparator), compareIdentifier),
	)
}

func restClass(rest string) int {
	switch {
	case rest == "":
		return 0
	case rest[0] == '-':
		return -1
	}
	return 1
}

func isSeparator(r rune) bool { return r == '.' || r == '-' || r == '_' || r == '+' }

// compareIdentifier orders numbers before words (section 11.4.3).
func compareIdentifier(a, b string) int {
	aNumber, bNumber := strings.Trim(a, "0123456789") == "", strings.Trim(b, "0123456789") == ""
	switch {
	case aNumber && bNumber:
		return compareNumber(a, b)
	case aNumber:
		return -1
	case bNumber:
		return 1
	}
	return strings.Compare(a, b)
}

// within reports whether a version is within inclusive bounds; an empty bound is no bound. A bound
// with fewer numbers than the version covers all versions below it: 1.21 as the highest includes
// 1.21.9.
func within(v, lowest, highest string) bool {
	reaches := func(bound string) int {
		left, right := splitVersion(v), splitVersion(bound)
		if right.rest == "" && len(right.numbers) < len(left.numbers) {
			return compareNumbers(left.numbers, right.numbers, false)
		}
		return cmp.Or(compareNumbers(left.numbers, right.numbers, true), comparePrerelease(left.rest, right.rest))
	}
	return (lowest == "" || reaches(lowest) >= 0) && (highest == "" || reaches(highest) <= 0)
}
