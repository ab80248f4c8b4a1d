package tui

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packhouse/setup"
)

var update = flag.Bool("update", false, "write the golden screens anew")

// journey is where a screen is reached from the first one.
var journey = []struct {
	name string
	keys string
}{
	{"1-hostname", ""},
	{"2-names", "<enter>"},
	{"3-address", "<enter><enter><enter>"},
	{"4-tls", "<enter><enter><enter><enter>"},
	{"5-users", "<enter><enter><enter><enter><enter>"},
	{"5-users-form", "<enter><enter><enter><enter><enter>a"},
	{"6-storage", "<enter><enter><enter><enter><enter><enter>"},
	{"7-review", "<enter><enter><enter><enter><enter><enter><enter><enter>"},
	{"8-checks", "<enter><enter><enter><enter><enter><enter><enter><enter><enter>"},
	{"9-card", "<enter><enter><enter><enter><enter><enter><enter><enter><enter><enter>"},
	{"9-serving", "<enter><enter><enter><enter><enter><enter><enter><enter><enter><enter><enter><enter>"},
}

func TestGoldenScreens(t *testing.T) {
	for _, size := range [][2]int{{200, 50}, {120, 34}, {80, 24}, {40, 12}} {
		for _, stop := range journey {
			name := fmt.Sprintf("%s-%dx%d", stop.name, size[0], size[1])
			t.Run(name, func(t *testing.T) {
				s := open(t, fixtureOptions(), size[0], size[1])
				s.keys(stop.keys)
				golden(t, name, s.text())
			})
		}
	}
}

func TestGoldenRefusals(t *testing.T) {
	for _, tc := range []struct {
		name string
		drop func(s *display)
	}{
		{"refused-wildcard", func(s *display) { s.keys("<ctrl+u>*.example.com<enter>") }},
		{"refused-bidi", func(s *display) { s.paste("evil\u202egpj.exe") }},
		{"refused-port", func(s *display) { s.keys("<enter><enter><enter><ctrl+u>:22<enter>") }},
		{"help", func(s *display) { s.keys("?") }},
		{"replacing", func(s *display) {
			o := fixtureOptions()
			o.Plan = fixturePlan(setup.Update)
			*s = *open(s.t, o, 80, 24)
			s.keys("<enter><enter><enter><enter><enter><enter><enter><enter><enter>")
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := open(t, fixtureOptions(), 80, 24)
			tc.drop(s)
			golden(t, tc.name, s.text())
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	lines := strings.Split(got, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	got = strings.Join(lines, "\n") + "\n"
	path := filepath.Join("testdata", "screens", name+".txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the screen is not the one in %s; -update takes it over\n%s", path, got)
	}
}
