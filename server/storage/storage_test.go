package storage_test

import (
	"slices"
	"testing"

	"packhouse/server/reference"
	"packhouse/server/storage"
)

// TestTagNames: two pushes that name the same tags lock them in the same order, whatever order their clients wrote, and each of them once.
func TestTagNames(t *testing.T) {
	var p storage.Put
	for _, name := range []string{"v1", "latest", "V1", "v1"} {
		tag, err := reference.ParseTag(name)
		if err != nil {
			t.Fatal(err)
		}
		p.Tags = append(p.Tags, tag)
	}
	if got, want := p.TagNames(), []string{"V1", "latest", "v1"}; !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
	if got := (storage.Put{}).TagNames(); len(got) != 0 {
		t.Errorf("%q of no tags", got)
	}
}
