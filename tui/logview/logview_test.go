package logview

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

func TestRingKeepsTheLastLines(t *testing.T) {
	r := New(3)
	for i := range 5 {
		fmt.Fprintf(r, "line %d\n", i)
	}
	fmt.Fprint(r, "not yet ended")
	lines, written := r.Snapshot()
	if got := strings.Join(lines, "|"); got != "line 2|line 3|line 4" || written != 5 {
		t.Errorf("%q of %d", got, written)
	}
	fmt.Fprint(r, ", now\n\n")
	if lines, _ = r.Snapshot(); strings.Join(lines, "|") != "line 4|not yet ended, now|" {
		t.Errorf("%q", lines)
	}
	select {
	case <-r.Wake():
	default:
		t.Error("nobody was woken")
	}
}

func TestRingDefusesWhatClientsSend(t *testing.T) {
	r := New(5)
	fmt.Fprint(r, "\x1b[2J\x1b]0;owned\a\u202eevil\xff\tend\n"+strings.Repeat("x", 100_000)+"\n")
	lines, _ := r.Snapshot()
	if strings.ContainsAny(lines[0], "\x1b\a\t\u202e") || !strings.Contains(lines[0], "evil") {
		t.Errorf("%q acts on a terminal", lines[0])
	}
	if len(lines[1]) > maxLine {
		t.Errorf("a line of %d bytes is kept", len(lines[1]))
	}
}

func TestRingFromManySides(t *testing.T) {
	r := New(100)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 500 {
				fmt.Fprintln(r, "a line")
				r.Snapshot()
			}
		})
	}
	all.Wait()
	if lines, written := r.Snapshot(); len(lines) != 100 || written != 4000 {
		t.Errorf("%d of %d lines", len(lines), written)
	}
}

func TestParseLine(t *testing.T) {
	r := New(10)
	slog.New(slog.NewTextHandler(r, nil)).Info("request", "path", "/v2/a b", "status", 401, "empty", "", "quoted", `say "x" = y`)
	lines, _ := r.Snapshot()
	line, ok := ParseLine(lines[0])
	if !ok || line.Message != "request" || line.Level != "INFO" || line.Time.IsZero() {
		t.Fatalf("%+v of %q", line, lines[0])
	}
	for key, want := range map[string]string{"path": "/v2/a b", "status": "401", "empty": "", "quoted": `say "x" = y`, "absent": ""} {
		if got := line.Value(key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	for _, other := range []string{"", "plain words", `{"time":"x"}`, `time=yesterday msg=x`, `time=2026-11-21T08:30:00Z msg="open`, "=x"} {
		if _, ok := ParseLine(other); ok {
			t.Errorf("%q was taken for a line of slog's", other)
		}
	}
}

func FuzzParseLine(f *testing.F) {
	f.Add(`time=2026-11-21T08:30:00Z level=INFO msg="a \x1b b" key=value`)
	f.Fuzz(func(t *testing.T, text string) {
		line, ok := ParseLine(clean(text))
		if !ok {
			return
		}
		for _, pair := range append(line.Pairs, Pair{"msg", line.Message}) {
			if strings.ContainsAny(pair.Value, "\x1b\a\n") {
				t.Errorf("%q acts on a terminal", pair.Value)
			}
		}
	})
}
