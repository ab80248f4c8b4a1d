package layout

import (
	"strings"
	"testing"
	"unicode"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
)

// odd are texts that terminals and arithmetic disagree about.
var odd = []string{
	"", " ", "plain", "日本語のホスト名", "e\u0301e\u0301", "👩‍👩‍👧‍👦 family", "\x1b[31mred\x1b[0m", "one-with-hyphens 2027-12-23", strings.Repeat("x", 300), "a\nb\n\nc", "ｗｉｄｅ",
}

func TestExactSizes(t *testing.T) {
	box := Box{Title: "a title", Remark: "3 more", Edge: lipgloss.NewStyle(), Head: lipgloss.NewStyle()}
	for _, text := range odd {
		line := strings.ReplaceAll(text, "\n", " ")
		for width := range 90 {
			if got := ansi.StringWidth(Cut(line, width)); got > width {
				t.Errorf("Cut(%q, %d) is %d wide", line, width, got)
			}
			if got := ansi.StringWidth(Pad(line, width)); got != width {
				t.Errorf("Pad(%q, %d) is %d wide", line, width, got)
			}
			if got := ansi.StringWidth(Ends(line, line, width)); got > width {
				t.Errorf("Ends(%q, …, %d) is %d wide", line, width, got)
			}
			for _, part := range append(Wrap(text, width), Hang("  ! ", text, width)...) {
				if got := ansi.StringWidth(part); got > width {
					t.Errorf("a wrapped line of %q is %d wide, want %d", text, got, width)
				}
			}
			for height := range 6 {
				block := box.Render([]string{line, line}, width, height)
				if len(block) != height {
					t.Errorf("a box of %d×%d has %d lines", width, height, len(block))
				}
				for _, part := range block {
					if got := ansi.StringWidth(part); got != width {
						t.Errorf("a line of a box of %d×%d is %d wide: %q", width, height, got, part)
					}
				}
			}
		}
	}
}

func TestWrap(t *testing.T) {
	for _, tc := range []struct {
		text  string
		width int
		want  string
	}{
		{"until 2027-12-23 then", 12, "until|2027-12-23|then"}, // not torn at the hyphens
		{"one two three", 7, "one two|three"},
		{"one  two", 20, "one  two"},
		{"abcdefgh", 3, "abc|def|gh"},
		{"a\n\nb", 5, "a||b"},
		{"", 5, ""},
	} {
		if got := strings.Join(Wrap(tc.text, tc.width), "|"); got != tc.want {
			t.Errorf("Wrap(%q, %d) = %q, want %q", tc.text, tc.width, got, tc.want)
		}
	}
	if got := Wrap("text", 0); got != nil {
		t.Errorf("no room holds %q", got)
	}
}

func TestClampKeepsTheLastLine(t *testing.T) {
	got := Clamp([]string{"head", "one", "two", "three", "foot"}, 3, 3)
	if got != "he…\none\nfo…" {
		t.Errorf("got %q", got)
	}
	if got := Clamp([]string{"x"}, 0, 5); got != "" {
		t.Errorf("no window holds %q", got)
	}
}

func TestWindow(t *testing.T) {
	lines := strings.Split("0 1 2 3 4 5 6 7 8 9", " ")
	for _, tc := range []struct {
		name               string
		top, focus, height int
		want               string
		wantTop            int
	}{
		{"all in sight", 0, 3, 20, "0 1 2 3 4 5 6 7 8 9", 0},
		{"focus below", 0, 6, 4, "3 4 5 6", 3},
		{"focus above", 5, 2, 4, "2 3 4 5", 2},
		{"focus in sight moves nothing", 2, 4, 4, "2 3 4 5", 2},
		{"beyond the end", 99, -1, 4, "6 7 8 9", 6},
		{"before the beginning", -9, -1, 4, "0 1 2 3", 0},
		{"no room", 3, 3, 0, "", 0},
	} {
		got, top := Window(lines, tc.top, tc.focus, tc.height)
		if strings.Join(got, " ") != tc.want || top != tc.wantTop {
			t.Errorf("%s: %q from %d, want %q from %d", tc.name, strings.Join(got, " "), top, tc.want, tc.wantTop)
		}
	}
}

func FuzzFrame(f *testing.F) {
	for _, text := range odd {
		f.Add(text, 40, 12)
	}
	f.Fuzz(func(t *testing.T, text string, width, height int) {
		// What reaches a frame has been rid of control characters; styles are put around it.
		text = strings.Map(func(r rune) rune {
			if r != '\n' && unicode.IsControl(r) {
				return '?'
			}
			return r
		}, strings.ToValidUTF8(text, "?"))
		text = "\x1b[1;31m" + text + "\x1b[0m"
		width, height = width%300, height%100
		for i, line := range strings.Split(Clamp(strings.Split(text, "\n"), width, height), "\n") {
			if i >= max(height, 1) {
				t.Fatalf("more than %d lines", height)
			}
			if got := ansi.StringWidth(line); got > max(width, 0) {
				t.Fatalf("%q is %d wide, want %d", line, got, width)
			}
		}
	})
}
