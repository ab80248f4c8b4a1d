package spelling

import (
	"strconv"
	"strings"
)

// Count formats a number with its noun: "1 file", "2 files", "2 dependencies".
func Count[N ~int | ~int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	ending := "s"
	if stem, ok := strings.CutSuffix(noun, "y"); ok && !strings.HasSuffix(noun, "ay") {
		noun, ending = stem, "ies"
	}
	return strconv.FormatInt(int64(n), 10) + " " + noun + ending
}
