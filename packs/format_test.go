package packs

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// nested returns a pack.json with items in the innermost of many lists.
func nested(depth, items int) string {
	list := strings.Repeat("[", depth) + strings.TrimSuffix(strings.Repeat("1,", items), ",") + strings.Repeat("]", depth)
	return strings.TrimSuffix(good, "}") + `,"x":` + list + "}"
}

// bytesOf returns how many bytes a call allocates.
func bytesOf(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestFormattingIsBounded verifies that the depth and the size of a text are checked before it is
// formatted or compared: indented, each value takes twice its depth.
func TestFormattingIsBounded(t *testing.T) {
	const most = 8 << 20
	deepest := nested(maxDepth-1, maxNodes-200)
	if m, problems := ParseMetadata([]byte(deepest)); m == nil || len(problems) > 0 {
		t.Fatalf("the deepest pack.json is refused: %v", problems)
	}
	for name, text := range map[string]string{
		"ordinary": good, "deepest": deepest, "too deep": nested(maxDepth, 1), "deep and long": nested(9000, 20_000),
		"deep": nested(100_000, 0), "cut off": strings.Repeat("[", 250_000), "objects": strings.Repeat(`{"a":`, 50_000),
		"strings": `{"a": "` + strings.Repeat(`[\"`, 60_000) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			compact := strings.Join(strings.Fields(text), "")
			shown := IndentJSON(compact)
			if len(shown) > maxIndented {
				t.Errorf("formatted, it has %d bytes", len(shown))
			}
			if name == "ordinary" && strings.Count(shown, "\n") < 5 {
				t.Errorf("it is not formatted: %s", shown)
			}
			if json.Valid([]byte(compact)) != json.Valid([]byte(shown)) {
				t.Error("formatting changes the content")
			}
			if used := bytesOf(func() { IndentJSON(compact) }); used > most {
				t.Errorf("formatting it allocates %d bytes", used)
			}
			from, to := DiffInput{Metadata: []byte(text)}, DiffInput{Metadata: []byte(good)}
			if used := bytesOf(func() { Compare(from, to) }); used > 2*most {
				t.Errorf("comparing it allocates %d bytes", used)
			}
		})
	}
}

// TestComparedKeysAreBounded verifies that the keys of a comparison take little memory: each contains
// those above it.
func TestComparedKeysAreBounded(t *testing.T) {
	const most = 48 << 20 // that is discarded meanwhile, too
	long := strings.Repeat("k", 900)
	for name, values := range map[string]string{
		"flow":  long + ": {" + strings.TrimSuffix(strings.Repeat("%d: 1, ", 14_000), ", ") + "}",
		"lines": "{{ macro }}\n" + long[:200] + ":\n" + strings.Repeat("  k%d: 1\n", 90_000),
		"same":  "{{ macro }}\n" + strings.Repeat("a: b%d\n", 90_000),
		"deep":  strings.Repeat("[", 9000) + strings.Repeat("]", 9000),
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			for strings.Contains(values, "%d") {
				parts := strings.Split(values, "%d")
				var b strings.Builder
				for i, part := range parts[:len(parts)-1] {
					fmt.Fprintf(&b, "%s%d", part, i)
				}
				values, n = b.String()+parts[len(parts)-1], len(parts)
			}
			side := DiffInput{Metadata: []byte(good), Values: []byte(values)}
			if used := bytesOf(func() { Compare(side, DiffInput{}) }); used > most {
				t.Errorf("comparing %d keys allocates %d bytes", n, used)
			}
			size := 0
			for key, value := range valueKeys(side.Values).values {
				size += len(key) + len(value)
			}
			if size > maxKeyBytes+maxTextValue {
				t.Errorf("the keys have %d bytes", size)
			}
		})
	}
}
