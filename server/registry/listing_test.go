package registry

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
)

// TestListsAreJSON holds that lists are what encoding/json would write, to the byte, and no buffer grows on the way.
func TestListsAreJSON(t *testing.T) {
	for _, names := range [][]string{
		nil, {}, {"a"}, {"team/a-b.c_d", "V1.0_x-y"}, {""}, {`"`, `\`, "<", ">", "&", "\x00", "\x1f", "\x7f", "é", "\u2028", "\xff", "a\nb", "~ "},
	} {
		want, err := json.Marshal(append([]string{}, names...))
		if err != nil {
			t.Fatal(err)
		}
		if got := appendList(nil, names); string(got) != string(want) {
			t.Errorf("%q: %s, want %s", names, got, want)
		}
	}
	names := slices.Repeat([]string{"v1.2.3-rc.4", "t000001"}, 100)
	buffer := make([]byte, 0, sizeOf(names))
	least := math.Inf(1) // of some looks: what other goroutines allocate meanwhile is counted, too
	for range 10 {
		least = min(least, testing.AllocsPerRun(10, func() { buffer = appendList(buffer[:0], names) }))
	}
	if least != 0 || len(buffer) > sizeOf(names) {
		t.Errorf("%v allocations, %d bytes of %d", least, len(buffer), sizeOf(names))
	}
}
