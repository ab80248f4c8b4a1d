package manifest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestExtrasAreCounted: annotations and URLs are counted over the whole manifest before they are decoded.
func TestExtrasAreCounted(t *testing.T) {
	list := func(n int, item string) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }
	numbered := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"k%d":"a,b",`, i)
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	layer := func(more string) string {
		return `{"mediaType":"a","digest":"` + hexB + `","size":7` + more + `}`
	}
	image := func(layers, more string) string {
		return `{"schemaVersion":2,"mediaType":"` + OCIManifest + `",` + configA + `,"layers":[` + layers + `]` + more + `}`
	}
	for name, tc := range map[string]struct {
		content string
		refused bool
	}{
		"annotations":     {image(layerB, `,"annotations":{`+numbered(maxExtras+2)+`}`), true},
		"URLs":            {image(layer(`,"urls":[`+list(maxExtras+2, `"a"`)+`]`), ""), true},
		"URLs of many":    {image(list(60, layer(`,"urls":[`+list(1000, `"a"`)+`]`)), ""), true},
		"many layers":     {image(list(10_000, layerB), ""), false},
		"some of both":    {image(list(100, layer(`,"urls":["a","b"],"annotations":{`+numbered(50)+`}`)), ""), false},
		"commas in texts": {image(layerB, `,"annotations":{"a":"`+list(2*maxExtras, "x")+`"}`), false},
	} {
		_, err := Parse([]byte(tc.content))
		if errors.Is(err, ErrTooLarge) != tc.refused || !tc.refused && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
