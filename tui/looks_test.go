package tui

import (
	"regexp"
	"strings"
	"testing"
)

// sgr finds the parameters of the sequences that set looks.
var sgr = regexp.MustCompile(`\x1b\[([0-9;]*)m`)

// TestOnlySixteenColours holds that frames use weight, reverse and four colours of the terminal's
// own, nothing that a light or a dark background could swallow; and without colours none.
func TestOnlySixteenColours(t *testing.T) {
	for _, tc := range []struct {
		name     string
		noColour bool
		allowed  string
	}{
		{"colours", false, " 0 1 2 7 31 32 33 36 "},
		{"no colours", true, " 0 1 2 7 "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv("NO_COLOR", "")
			if tc.noColour {
				t.Setenv("NO_COLOR", "1")
			}
			seen := make(map[string]bool)
			for _, stop := range journey {
				s := open(t, fixtureOptions(), 120, 34)
				s.seen = func(frame string) {
					for _, match := range sgr.FindAllStringSubmatch(frame, -1) {
						for code := range strings.SplitSeq(match[1], ";") {
							seen[code] = true
						}
					}
				}
				s.keys(stop.keys + "<down>*<enter>")
			}
			for code := range seen {
				if code != "" && !strings.Contains(tc.allowed, " "+code+" ") {
					t.Errorf("code %s is used", code)
				}
			}
			if !seen["7"] || !seen["1"] {
				t.Error("without weight and a cursor the test looks at the wrong frames")
			}
			if !tc.noColour && !seen["36"] {
				t.Error("no colour was ever used")
			}
		})
	}
}

// TestLinesEndTheirStyles holds that no line leaves a style on: the next one may not be drawn
// again.
func TestLinesEndTheirStyles(t *testing.T) {
	for _, stop := range journey {
		s := open(t, fixtureOptions(), 60, 14)
		s.seen = func(frame string) {
			for line := range strings.SplitSeq(frame, "\n") {
				if codes := sgr.FindAllStringSubmatch(line, -1); len(codes) > 0 && strings.Trim(codes[len(codes)-1][1], "0") != "" {
					t.Fatalf("%q leaves a style on", line)
				}
			}
		}
		s.keys(stop.keys)
	}
}
