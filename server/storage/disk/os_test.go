//go:build unix

package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestNothingLeavesTheRoot tries every call with names and links that lead out, by the kernel's way and by os.Root's.
func TestNothingLeavesTheRoot(t *testing.T) {
	for _, way := range []string{"beneath", "root"} {
		t.Run(way, func(t *testing.T) {
			outside := t.TempDir()
			if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600); err != nil {
				t.Fatal(err)
			}
			base := t.TempDir()
			opened, err := OpenOS(base, false)
			if err != nil {
				t.Fatal(err)
			}
			defer opened.Close()
			d := opened.(*osDisk)
			if way == "root" {
				d.beneath = false
			} else if !d.beneath {
				t.Skip("the kernel has no openat2")
			}
			for from, to := range map[string]string{"out": outside, "file": filepath.Join(outside, "secret")} {
				if err := os.Symlink(to, filepath.Join(base, from)); err != nil {
					t.Fatal(err)
				}
			}
			if f, err := d.Create("mine"); err != nil {
				t.Fatal(err)
			} else {
				f.Close()
			}
			up := "../" + filepath.Base(outside)
			for _, name := range []string{"out/secret", "file", up + "/secret", filepath.Join(outside, "secret")} {
				if f, err := d.Open(name); err == nil {
					f.Close()
					t.Errorf("open %s", name)
				}
				if f, err := d.Reopen(name); err == nil {
					f.Close()
					t.Errorf("reopen %s", name)
				}
			}
			for _, dir := range []string{"out", up, outside} {
				if f, err := d.Create(dir + "/new"); err == nil {
					f.Close()
					t.Errorf("create in %s", dir)
				}
				if d.Mkdir(dir+"/dir") == nil {
					t.Errorf("mkdir in %s", dir)
				}
				if d.Rename("mine", dir+"/mine") == nil || d.Rename(dir+"/secret", "stolen") == nil {
					t.Errorf("rename in %s", dir)
				}
				if d.Remove(dir+"/secret") == nil {
					t.Errorf("remove in %s", dir)
				}
			}
			if left, err := os.ReadDir(outside); err != nil || len(left) != 1 || left[0].Name() != "secret" {
				t.Errorf("outside: %v, %v", left, err)
			}
		})
	}
}

// TestErrorsAndEntries holds what the engine relies on.
func TestErrorsAndEntries(t *testing.T) {
	d, err := OpenOS(filepath.Join(t.TempDir(), "made"), false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Mkdir("dir"); err != nil {
		t.Fatal(err)
	}
	f, err := d.Create("dir/file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write([]byte("12345")); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"create": create(d, "dir/file"), "mkdir": d.Mkdir("dir")} {
		if !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s what is there: %v", what, err)
		}
	}
	_, open := d.Open("none/none")
	_, stat := d.Stat("none")
	for what, err := range map[string]error{
		"open": open, "stat": stat, "list": d.List("none", nil), "rename": d.Rename("none", "x"), "remove": d.Remove("none"),
		"set time": d.SetTime("none", time.Now()), "sync": d.SyncDir("none"), "mkdir": d.Mkdir("none/dir"), "create": create(d, "none/file"),
	} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s what is not there: %v", what, err)
		}
	}
	if err := d.Remove("dir"); err == nil {
		t.Error("a directory with a file was removed")
	}
	at := time.Unix(1_700_000_000, 123_456_789)
	if err := d.SetTime("dir/file", at); err != nil {
		t.Error(err)
	}
	info, err := d.Stat("dir/file")
	if err != nil || info.Size != 5 || !info.Regular || info.Dir || !info.ModTime.Equal(at) {
		t.Errorf("file: %+v, %v", info, err)
	}
	if same, err := f.Stat(); err != nil || !same.Same(info) {
		t.Errorf("open file: %+v, %v", same, err)
	}
	var entries []Entry
	if err := d.List(".", func(e Entry) error { entries = append(entries, e); return nil }); err != nil || len(entries) != 1 || entries[0] != (Entry{Name: "dir", Dir: true}) {
		t.Errorf("entries: %v, %v", entries, err)
	}
	if err := errors.Join(f.Sync(), d.SyncDir("dir"), d.Rename("dir/file", "file"), d.Remove("dir"), d.Remove("file")); err != nil {
		t.Error(err)
	}
}

func create(d Disk, name string) error {
	f, err := d.Create(name)
	if err == nil {
		f.Close()
	}
	return err
}

// TestNamedPipesDoNotBlock opens a pipe that nobody writes to, in each way: a call that waits keeps the test from ending.
func TestNamedPipesDoNotBlock(t *testing.T) {
	for _, way := range []string{"beneath", "root"} {
		t.Run(way, func(t *testing.T) {
			base := t.TempDir()
			opened, err := OpenOS(base, true)
			if err != nil {
				t.Fatal(err)
			}
			defer opened.Close()
			d := opened.(*osDisk)
			d.beneath = d.beneath && way == "beneath"
			for _, name := range []string{"pipe", "lock"} {
				if err := syscall.Mkfifo(filepath.Join(base, name), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			f, err := d.Open("pipe")
			if err != nil {
				t.Fatal(err)
			}
			if info, err := f.Stat(); err != nil || info.Regular {
				t.Errorf("Stat of a named pipe: %+v, %v", info, err)
			}
			_ = f.Close()
			_ = d.Own(t.Context(), "lock", Claim{ReadOnly: true})
		})
	}
}
