package lint

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"packhouse/packs"
)

// chain returns tables in which each refers to the one before twice, by aliases.
func chain(n int) string {
	var b strings.Builder
	b.WriteString("a0: &a0 {x: 1}\n")
	for i := 1; i < n; i++ {
		fmt.Fprintf(&b, "a%d: &a%d {x: *a%d, y: *a%d}\n", i, i, i-1, i-1)
	}
	return b.String()
}

// TestNestingIsBounded verifies that neither depth nor aliases multiply the work of lint.
func TestNestingIsBounded(t *testing.T) {
	below := func(text string) string { return "charts:\n  web:\n    " + strings.ReplaceAll(text, "\n", "\n    ") }
	deep := func(depth int) string {
		return "args: " + strings.Repeat("[", depth) + strings.Repeat("1,", 20_000) + strings.Repeat("]", depth)
	}
	const accepted = 60
	for name, tc := range map[string]struct {
		values, defaults string
		refused          bool
	}{
		"deepest":           {deep(accepted), chartValues, false},
		"too deep":          {deep(9000), chartValues, true},
		"aliases":           {chain(60), chartValues, false},
		"aliases of both":   {chain(60), chain(60), false},
		"values of a chart": {"replicas: 1", deep(9000), false},
	} {
		t.Run(name, func(t *testing.T) {
			files := goodPack(t)
			files["values.yaml"] = below(tc.values)
			files["charts/web-2.0.0.tgz"] = tgz(t, map[string]string{
				"web/Chart.yaml": chartYAML, "web/values.yaml": tc.defaults,
			})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			found := findings(t, files, Options{})
			runtime.ReadMemStats(&after)
			if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 256 {
				t.Errorf("it allocated %d MiB", used)
			}
			if refused := strings.Contains(found, packs.CodeValues+" "); refused != tc.refused {
				t.Errorf("the values are refused: %v\n%.2000s", refused, found)
			}
		})
	}
}
