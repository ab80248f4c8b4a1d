package spelling

import "testing"

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"addr", "addr", 0},
		{"", "addr", 4},
		{"addr", "adr", 1},   // a letter left out
		{"addr", "addrs", 1}, // one too many
		{"addr", "adde", 1},  // another one
		{"addr", "adrd", 1},  // two in the wrong order
		{"addr", "dadr", 1},
		{"realm", "ralme", 2},
		{"größe", "grösse", 2}, // letters, not bytes
		{"ab", "yx", 2},
	} {
		for _, pair := range [][2]string{{test.a, test.b}, {test.b, test.a}} {
			if got := Distance(pair[0], pair[1]); got != test.want {
				t.Errorf("from %q to %q: %d, not %d", pair[0], pair[1], got, test.want)
			}
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"addr", "certificate", "htpasswd", "log", "warn"}
	for name, want := range map[string]string{
		"adrd":     "addr",
		"Addr":     "addr",
		"cert":     "certificate", // the beginning of it
		"warning":  "warn",        // or more than it
		"htpassed": "htpasswd",
		"logs":     "log",
		"xyz":      "",
		"":         "",
		"l":        "",
	} {
		if got := Nearest(name, names); got != want {
			t.Errorf("%q means %q, not %q", name, got, want)
		}
	}
	if got := Nearest("addr", nil); got != "" {
		t.Errorf("%q is none of nothing", got)
	}
}
