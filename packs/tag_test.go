package packs

import (
	"maps"
	"slices"
	"testing"
)

func TestParseTag(t *testing.T) {
	for text, want := range map[string]Tag{
		"1.2.3":         {"", "1.2.3"},
		"LTS__22.04":    {"LTS", "22.04"},
		"a__b__c":       {"a", "b__c"},
		"_1":            {"", "_1"},
		"__1":           {"", "__1"},
		"1__":           {"", "1__"},
		"v1.12.0-up.3":  {"", "v1.12.0-up.3"},
		"team_a__1.2.x": {"team_a", "1.2.x"},
	} {
		got, err := ParseTag(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%q is %+v (%s), %v; want %+v", text, got, got, err, want)
		}
	}
	for _, text := range []string{"", ".1", "-1", "a b", "a/b", "a:b", "1+2", "é", string(make([]byte, 129))} {
		if tag, err := ParseTag(text); err == nil {
			t.Errorf("%q was taken as %+v", text, tag)
		}
	}
}

func TestParents(t *testing.T) {
	for text, want := range map[string][]string{
		"14.4.1":          {"14.x", "14.4.x"},
		"22.04":           {"22.x", "22.4.x"},
		"LTS__22.04":      {"LTS__22.x", "LTS__22.4.x"},
		"5":               {"5.x"},
		"v1.12.0":         {"1.x", "1.12.x"},
		"0.30.0-5.5.2026": {"0.x", "0.30.x"},
		"2.0.2-up.3":      {"2.x", "2.0.x"},
		"1.2.3.4":         {"1.x", "1.2.x"},
		"latest":          nil,
		"1.x":             nil,
		"1.24.x":          nil,
	} {
		tag, err := ParseTag(text)
		if got := tag.Parents(); err != nil || !slices.Equal(got, want) {
			t.Errorf("the parents of %s are %v, want %v", text, got, want)
		}
	}
}

// TestParentTags follows them through pushes and deletions: they move to the highest that remains, and vanish with the last.
func TestParentTags(t *testing.T) {
	tags := []string{"1.24.9", "1.24.10", "1.24.10-rc1", "1.9.0", "LTS__22.04", "LTS__22.10", "latest", "prod__stable", "2"}
	want := map[string]string{
		"1.x": "1.24.10", "1.24.x": "1.24.10", "1.9.x": "1.9.0", "2.x": "2",
		"LTS__22.x": "LTS__22.10", "LTS__22.4.x": "LTS__22.04", "LTS__22.10.x": "LTS__22.10",
	}
	if got := ParentTags(tags); !maps.Equal(got, want) {
		t.Errorf("parents are %v, want %v", got, want)
	}
	tags = slices.DeleteFunc(tags, func(tag string) bool { return tag == "1.24.10" })
	if got, _ := ResolveTag(tags, "1.24.x"); got != "1.24.10-rc1" {
		t.Errorf("1.24.x is %s", got)
	}
	tags = slices.DeleteFunc(tags, func(tag string) bool { return tag == "1.24.9" || tag == "1.24.10-rc1" })
	if got, ok := ResolveTag(tags, "1.24.x"); ok {
		t.Errorf("1.24.x is still %s", got)
	}
	if got, _ := ResolveTag(tags, "1.x"); got != "1.9.0" {
		t.Errorf("1.x is %s", got)
	}
	if got, _ := ResolveTag(append(tags, "1.x"), "1.x"); got != "1.x" {
		t.Errorf("a tag called 1.x is hidden by %s", got)
	}
}

func TestHighest(t *testing.T) {
	for _, tc := range []struct {
		tags []string
		want string
	}{
		{[]string{"1.9.0", "1.10.0", "latest", "2.x"}, "1.10.0"},
		{[]string{"LTS__22.04", "1.0"}, "1.0"},
		{[]string{"LTS__22.04", "LTS__20.04"}, "LTS__22.04"},
		{[]string{"1.0.0-rc.1", "1.0.0-rc.2"}, "1.0.0-rc.2"},
		{[]string{"latest"}, ""},
		{nil, ""},
	} {
		for range 2 {
			if got, ok := Highest(tc.tags); got != tc.want || ok != (tc.want != "") {
				t.Errorf("the highest of %v is %q, want %q", tc.tags, got, tc.want)
			}
			slices.Reverse(tc.tags)
		}
	}
}

func TestCompareVersions(t *testing.T) {
	ordered := []string{
		"latest", "0.9", "0.30.0-5.5.2026", "0.30.0", "1", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11",
		"1.0.0-rc.1", "1.0.0", "1.5", "2.0.2-up.3", "2.0.2-up.10", "2.0.2", "22.04", "22.10", "v99999999999999999999.1", "100000000000000000000.0",
	}
	for i, a := range ordered {
		for j, b := range ordered {
			if got := CompareVersions(a, b); sign(got) != sign(i-j) {
				t.Errorf("%s and %s compare as %d", a, b, got)
			}
		}
	}
}

func sign(n int) int { return min(max(n, -1), 1) }

// FuzzCompareVersions holds that it is an order: sorting with anything else may not end, or differ from call to call.
func FuzzCompareVersions(f *testing.F) {
	f.Add("1.2", "1.2.0", "1.2-a")
	f.Add("v1", "01", "1.")
	f.Add("1..2", "-1", "")
	f.Add("1.0_b", "1.0-b", "1.0.b")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		if CompareVersions(a, b) != -CompareVersions(b, a) {
			t.Errorf("%q and %q: %d and %d", a, b, CompareVersions(a, b), CompareVersions(b, a))
		}
		if (CompareVersions(a, b) == 0) != (a == b) {
			t.Errorf("%q and %q are equal: %v", a, b, a != b)
		}
		if CompareVersions(a, b) <= 0 && CompareVersions(b, c) <= 0 && CompareVersions(a, c) > 0 {
			t.Errorf("%q ≤ %q ≤ %q, but not %q ≤ %q", a, b, c, a, c)
		}
	})
}

func TestConstraints(t *testing.T) {
	profile := []Neighbour{{"kubernetes", "k8s", "1.21.9"}, {"calico", "cni", "3.26.0"}}
	for _, tc := range []struct {
		d     Dependency
		unmet bool
	}{
		{Dependency{PackName: "kubernetes", Type: Required}, false},
		{Dependency{PackName: "kubernetes", Type: Required, MinVersion: "1.21", MaxVersion: "1.21"}, false},
		{Dependency{PackName: "kubernetes", Type: Required, MinVersion: "1.21.9", MaxVersion: "1.21.9"}, false},
		{Dependency{PackName: "kubernetes", Type: Required, MinVersion: "1.21.10"}, true},
		{Dependency{PackName: "kubernetes", Type: Required, MaxVersion: "1.20"}, true},
		{Dependency{PackName: "kubernetes", Type: Required, MaxVersion: "1.21.8"}, true},
		{Dependency{PackName: "kubernetes", Layer: "cni", Type: Required}, true},
		{Dependency{PackName: "cilium", Type: Required}, true},
		{Dependency{PackName: "cilium", Type: Optional, MinVersion: "9"}, false},
		{Dependency{PackName: "calico", Type: Optional, MinVersion: "9"}, true},
		{Dependency{PackName: "calico", Type: NotSupported}, true},
		{Dependency{PackName: "calico", Type: NotSupported, MaxVersion: "3.25"}, false},
		{Dependency{PackName: "calico", Type: Upgrade, MinVersion: "3.27"}, true},
		{Dependency{PackName: "calico", Type: Upgrade, MinVersion: "3.25"}, false},
	} {
		problems := Constraints{Dependencies: []Dependency{tc.d}}.Check(profile)
		if (len(problems) > 0) != tc.unmet {
			t.Errorf("%+v: %v", tc.d, problems)
		}
	}
}
