package notification

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestJournal walks a queue on disk through growth, crashes and damage.
func TestJournal(t *testing.T) {
	dir := t.TempDir()
	open := func() *journal {
		t.Helper()
		j, err := openJournal(queueAt(t, dir), 20, 3)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = j.close() })
		return j
	}
	head := func(j *journal, most int) string {
		t.Helper()
		lines, err := j.head(most)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, l := range lines {
			all = append(all, string(l))
		}
		return strings.Join(all, " ")
	}
	add := func(j *journal, from, to int) (dropped int) {
		t.Helper()
		for i := from; i < to; i++ {
			d, err := j.add(fmt.Appendf(nil, "event-%03d", i))
			if err != nil {
				t.Fatal(err)
			}
			dropped += d
		}
		return dropped
	}
	done := func(j *journal, n int) {
		t.Helper()
		if err := j.done(n); err != nil {
			t.Fatal(err)
		}
	}
	j := open()
	if got := head(j, 5); got != "" || j.len() != 0 {
		t.Errorf("new: %q, %d", got, j.len())
	}
	add(j, 0, 5) // two in each segment
	if got := head(j, 5); got != "event-000 event-001" || j.len() != 5 {
		t.Errorf("head %q of %d", got, j.len())
	}
	done(j, 1)

	j = open() // as after a crash: nothing was closed
	if got := head(j, 5); got != "event-001" || j.len() != 4 {
		t.Errorf("reopened: %q of %d", got, j.len())
	}
	done(j, 1)
	if got := head(j, 1); got != "event-002" || j.len() != 3 {
		t.Errorf("next segment: %q of %d", got, j.len())
	}

	// A crash in the middle of a line.
	f, err := os.OpenFile(filepath.Join(dir, "00000003.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.WriteString("event-0")
	_ = f.Close()
	j = open()
	add(j, 5, 6)
	if j.len() != 4 {
		t.Errorf("after half a line: %d", j.len())
	}

	// Too many: the oldest go, also those that are being delivered.
	if got := head(j, 5); got != "event-002 event-003" {
		t.Errorf("before: %q", got)
	}
	if dropped := add(j, 6, 9); dropped != 2 {
		t.Errorf("dropped %d", dropped)
	}
	done(j, 2)
	if got := head(j, 5); got != "event-004 event-005" || j.len() != 5 {
		t.Errorf("after: %q of %d", got, j.len())
	}

	// A cursor that makes no sense: rather twice than never.
	for _, cursor := range []string{"", "nonsense", "3 7", "3 -1", "3 9999", "99 0", "99999999999999999999 0"} {
		if err := os.WriteFile(filepath.Join(dir, cursorFile), []byte(cursor), 0o600); err != nil {
			t.Fatal(err)
		}
		if cursor == "99 0" {
			continue // may well be: everything before it was delivered
		}
		if j = open(); j.len() != 5 {
			t.Errorf("cursor %q: %d", cursor, j.len())
		}
	}
	if err := os.Truncate(filepath.Join(dir, "00000004.jsonl"), 0); err != nil {
		t.Fatal(err)
	}
	j = open()
	if got := head(j, 9) + " " + fmt.Sprint(j.len()); got != "event-004 event-005 3" {
		t.Errorf("an empty segment: %q", got)
	}
}

func FuzzCursor(f *testing.F) {
	f.Add("1 10\n", "a\nb\n")
	f.Fuzz(func(t *testing.T, cursor, content string) {
		dir := t.TempDir()
		_ = os.WriteFile(filepath.Join(dir, cursorFile), []byte(cursor), 0o600)
		_ = os.WriteFile(filepath.Join(dir, "00000001.jsonl"), []byte(content), 0o600)
		j, err := openJournal(queueAt(t, dir), 1<<10, 3)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = j.close() }()
		if _, err := j.add([]byte("last")); err != nil {
			t.Fatal(err)
		}
		before := j.len()
		lines, err := j.head(1 << 20)
		if err != nil || len(lines) != before || before == 0 || string(lines[len(lines)-1]) != "last" {
			t.Errorf("%d lines of %d: %v", len(lines), before, err)
		}
	})
}

// TestMemory: the same bounds, in memory.
func TestMemory(t *testing.T) {
	m := newMemory(30)
	for i := range 3 {
		if dropped, _ := m.add(fmt.Appendf(nil, "event-%03d", i)); dropped != 0 {
			t.Errorf("dropped %d at %d", dropped, i)
		}
	}
	if lines, _ := m.head(2); len(lines) != 2 {
		t.Errorf("%d", len(lines))
	}
	if dropped, _ := m.add([]byte("event-003")); dropped != 1 {
		t.Errorf("dropped %d", dropped)
	}
	_ = m.done(2)
	lines, _ := m.head(9)
	if len(lines) != 2 || string(lines[0]) != "event-002" || m.bytes != 18 {
		t.Errorf("%q, %d bytes", lines, m.bytes)
	}
}

func TestDirectoryOf(t *testing.T) {
	for _, name := range []string{"../../etc", "/", "a b", strings.Repeat("ä", 500), "", "."} {
		if d := directoryOf(name); strings.ContainsAny(d, "/. ") || len(d) > 60 {
			t.Errorf("%q: %q", name, d)
		}
	}
	if directoryOf("a b") == directoryOf("a_b") {
		t.Error("two share a directory")
	}
}
