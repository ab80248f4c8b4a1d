package spelling

import "testing"

func TestCount(t *testing.T) {
	for want, tc := range map[string]struct {
		n    int
		noun string
	}{
		"0 files":        {0, "file"},
		"1 dependency":   {1, "dependency"},
		"2 dependencies": {2, "dependency"},
		"3 days":         {3, "day"},
	} {
		if got := Count(tc.n, tc.noun); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
