package htpasswd

import "testing"

func TestDigest(t *testing.T) {
	first, second := hashes(t)
	digest := func(text string) string {
		f, problems := Parse([]byte(text))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		return f.Digest()
	}
	base := digest("a:" + first + "\nb:" + second + "\n")
	for _, tc := range []struct {
		name, text string
		same       bool
	}{
		{"order and comments", "# users\nb:" + second + "\n\na:" + first, true},
		{"another hash", "a:" + second + "\nb:" + second + "\n", false},
		{"another user", "a:" + first + "\nc:" + second + "\n", false},
		{"one user less", "a:" + first + "\n", false},
		{"nobody", "", false},
	} {
		if got := digest(tc.text); (got == base) != tc.same {
			t.Errorf("%s: same %v, want %v", tc.name, got == base, tc.same)
		}
	}
}
