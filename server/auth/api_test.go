package auth

import (
	"strings"
	"testing"

	"packhouse/server/route"
)

// TestEveryActionHasItsAPI checks that the API of each action is that of its prefix.
func TestEveryActionHasItsAPI(t *testing.T) {
	for _, a := range actions(t) {
		want := route.APIRegistry
		switch prefix, _, _ := strings.Cut(string(a), "."); prefix {
		case "pack":
			want = route.APIPacks
		case "page":
			want = route.APIPages
		case "health":
			want = route.APIHealth
		}
		if got := a.API(); got != want {
			t.Errorf("%s: API %d, want %d", a, got, want)
		}
	}
}
