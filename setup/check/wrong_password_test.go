package check

import (
	"strings"
	"testing"
)

func TestWrongPasswordAnswer(t *testing.T) {
	for status, want := range map[int]string{
		200: "accepted a wrong password", 307: "redirects", 418: "proxy may have answered", 500: "failed before it verified", 599: "failed before",
	} {
		got := new(session).wrongPasswordAnswer(status)
		if !strings.Contains(got.Finding.What, want) || got.Finding.Remedy == "" {
			t.Errorf("%d: %+v, want %q and a remedy", status, got, want)
		}
	}
}
