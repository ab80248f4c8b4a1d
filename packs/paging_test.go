package packs

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestListingThatDoesNotEnd lists at servers whose Link headers never end.
func TestListingThatDoesNotEnd(t *testing.T) {
	for _, tc := range []struct {
		name string
		page func(turn int) (names []string, link string)
		want string // in the error
		most int    // requests for the listing
	}{
		{"same link", func(int) ([]string, string) { return []string{"spectro-packs/archive/a"}, "last=a" }, "do not advance", 20},
		{"empty pages", func(turn int) ([]string, string) { return nil, fmt.Sprintf("last=%d", turn) }, "do not advance", 20},
		{"links that alternate", func(turn int) ([]string, string) {
			return []string{fmt.Sprintf("spectro-packs/archive/a%d", turn%3)}, fmt.Sprintf("last=%d", turn%3)
		}, "do not advance", 20},
		{"new names without end", func(turn int) ([]string, string) {
			return []string{fmt.Sprintf("other/a%d", turn)}, fmt.Sprintf("last=%d", turn)
		}, "too many pages", maxPages},
	} {
		t.Run(tc.name, func(t *testing.T) {
			turn := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				names, link := tc.page(turn)
				turn++
				w.Header().Set("Link", "<"+r.URL.Path+"?"+link+`>; rel="next"`)
				_ = json.NewEncoder(w).Encode(map[string][]string{"repositories": names, "tags": names})
			}))
			t.Cleanup(server.Close)
			c, err := NewClient(ClientOptions{Server: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			list := func(what string, run func() error) {
				turn = 0
				err := run()
				f, ok := errors.AsType[*Failure](err)
				if !ok || !strings.Contains(f.What, tc.want) || f.Remedy == "" {
					t.Errorf("%s: %v, want a Failure: %s", what, err, tc.want)
				}
				if turn > tc.most {
					t.Errorf("%s: %d requests, want at most %d", what, turn, tc.most)
				}
			}
			list("catalog", func() error { _, err := c.List(t.Context()); return err })
			list("tags", func() error { _, err := c.Versions(t.Context(), "a"); return err })
		})
	}
}
