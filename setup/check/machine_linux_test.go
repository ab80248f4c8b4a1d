package check

import "testing"

func TestQuota(t *testing.T) {
	for text, want := range map[string]float64{
		"50000 100000\n": 0.5, "max 100000\n": 8, "200000 100000": 2, "": 8, "x y": 8, "1 0": 8, "-1 100000": 8, "NaN 1": 8,
	} {
		if got := quota(text, 8); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
