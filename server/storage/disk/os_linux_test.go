package disk

import "testing"

// TestDirectoriesBelow compares what Stat says about the directories in a directory with those made.
func TestDirectoriesBelow(t *testing.T) {
	d, err := OpenOS(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	below := func(want bool) {
		t.Helper()
		if info, err := d.Stat("a"); err != nil || info.Below != want {
			t.Errorf("below: %t, %v; want %t", info.Below, err, want)
		}
	}
	for _, dir := range []string{"a", "a/b"} {
		if dir == "a/b" {
			f, err := d.Create("a/file")
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
			below(false)
		}
		if err := d.Mkdir(dir); err != nil {
			t.Fatal(err)
		}
	}
	if d.(*osDisk).counts {
		below(true)
	}
	if err := d.Remove("a/b"); err != nil {
		t.Fatal(err)
	}
	below(false)
}
