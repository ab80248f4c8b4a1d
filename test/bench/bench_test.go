package main

import (
	"bytes"
	"context"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestS3OperationsAreNamed(t *testing.T) {
	for _, c := range []struct {
		method, path, copied string
		want                 string
	}{
		{"PUT", "/bench/a/b", "", "PutObject"},
		{"PUT", "/bench/a/b", "/bench/c", "CopyObject"},
		{"PUT", "/bench/a/b?partNumber=1&uploadId=x", "", "UploadPart"},
		{"PUT", "/bench/a/b?partNumber=1&uploadId=x", "/bench/c", "UploadPartCopy"},
		{"POST", "/bench/a/b?uploads", "", "CreateMultipartUpload"},
		{"POST", "/bench/a/b?uploads=", "", "CreateMultipartUpload"},
		{"POST", "/bench/a/b?uploadId=x", "", "CompleteMultipartUpload"},
		{"POST", "/bench/?delete", "", "DeleteObjects"},
		{"GET", "/bench?list-type=2&prefix=a", "", "ListObjects"},
		{"GET", "/bench/?prefix=a", "", "ListObjects"},
		{"GET", "/bench/?uploads&prefix=a", "", "ListMultipartUploads"},
		{"GET", "/bench/a?uploadId=x", "", "ListParts"},
		{"GET", "/bench/a", "", "GetObject"},
		{"HEAD", "/bench/a", "", "HeadObject"},
		{"HEAD", "/bench", "", "HeadBucket"},
		{"DELETE", "/bench/a", "", "DeleteObject"},
		{"DELETE", "/bench/a?uploadId=x", "", "AbortMultipartUpload"},
	} {
		r := httptest.NewRequest(c.method, c.path, nil)
		if c.copied != "" {
			r.Header.Set("X-Amz-Copy-Source", c.copied)
		}
		if got := s3Operation(r); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.method, c.path, got, c.want)
		}
	}
	if got := charged(map[string]int{"PutObject": 3, "DeleteObject": 5, "DeleteObjects": 1, "AbortMultipartUpload": 1, "HeadObject": 1}); got != 4 {
		t.Errorf("%d are charged, want 4", got)
	}
}

// TestCounterCountsWhatFollowsTheAnswer: a request to the engine after the
// answer to the client belongs to what was asked for.
func TestCounterCountsWhatFollowsTheAnswer(t *testing.T) {
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "signed.example" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer engine.Close()
	c, err := startS3Counter(strings.TrimPrefix(engine.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.stop()
	var refused atomic.Int64
	ask := func(method, path string) {
		r, _ := http.NewRequestWithContext(t.Context(), method, "http://"+c.address+path, nil)
		r.Host = "signed.example"
		a, err := http.DefaultClient.Do(r)
		if err != nil || a.StatusCode != http.StatusOK {
			refused.Add(1)
			return
		}
		a.Body.Close()
	}
	ask("PUT", "/bench/before")
	counts, err := c.during(func() error {
		ask("GET", "/bench/a")
		go func() {
			time.Sleep(quiet / 4) // a late request, within the pause that the counter waits for
			ask("DELETE", "/bench/a")
		}()
		return nil
	})
	if err != nil || len(counts) != 2 || counts["GetObject"] != 1 || counts["DeleteObject"] != 1 || refused.Load() != 0 {
		t.Errorf("%v, %v, %d refused", counts, err, refused.Load())
	}
}

// TestRowStandsToItsGoals: more is better or less is, a bare file server is no
// peer, who takes no part does not count, and a goal may be packhouse's own
// figure elsewhere.
func TestRowStandsToItsGoals(t *testing.T) {
	var out bytes.Buffer
	r := newReport(&out)
	r.columns = []peer{{name: "packhouse"}, {name: "distribution"}, {name: "olareg"}, {name: "bare files", bare: true}}
	row := func(setting string, s scenario, figures ...float64) string {
		out.Reset()
		results := make([]measured, len(figures))
		for i, figure := range figures {
			results[i].figure = figure
		}
		r.row(setting, s, results)
		return strings.TrimSpace(out.String())
	}
	for _, c := range []struct{ got, want string }{
		{
			row("none-tls", scenario{name: "ping"}, 20000, 5000, 10000, 40000),
			"| ping, /s | 20,000 | 5,000 | 10,000 | 40,000 | 2.00× |  |",
		},
		{
			row("bcrypt5-tls", scenario{name: "ping"}, 15000, 500, 750, 40000),
			"| ping, /s | 15,000 | 500 | 750 | 40,000 | 20.0× | ≥ 15× best: 20.0, met; ≥ 0.8× own without passwords: 0.75, missed |",
		},
		{
			row("none-plain", scenario{name: "tags, walk by 100", unit: millis}, 10, 90, 120, 0),
			"| tags, walk by 100, ms | 10.0 | 90.0 | 120 |  | 9.00× | ≥ 10× best: 9.00, missed |",
		},
		{
			row("none-plain", scenario{name: "catalogue, walk by 100", unit: millis}, 1, 41, 0, 0),
			"| catalogue, walk by 100, ms | 1.00 | 41.0 |  |  | 41.0× | ≥ 10× best: 41.0, met |",
		},
		{
			row("none-plain", scenario{name: "blob get 100 MiB", unit: megabytes}, 3800, 2000, 3500, 4000),
			"| blob get 100 MiB, MB/s | 3,800 | 2,000 | 3,500 | 4,000 | 1.09× | ≥ 0.95× bare files: 0.95, met |",
		},
	} {
		if c.got != c.want {
			t.Errorf("got  %s\nwant %s", c.got, c.want)
		}
	}
}

// TestGoalsNameRows: a goal whose row or base nobody measures is never looked at.
func TestGoalsNameRows(t *testing.T) {
	rows := map[string]bool{}
	for _, group := range groups {
		for _, name := range group.names(options{}) {
			rows[group.name+"/"+name] = true
		}
	}
	for _, g := range goals {
		if !rows[g.row] {
			t.Errorf("nobody measures %q", g.row)
		}
		if strings.Contains(g.of, "/") && !rows[g.of] {
			t.Errorf("nobody measures %q, which %q is held to", g.of, g.row)
		}
		if (g.atLeast > 0) == (g.atMost > 0) {
			t.Errorf("%q is held to %v and %v", g.row, g.atLeast, g.atMost)
		}
	}
}

func TestFigures(t *testing.T) {
	operate := func(context.Context, *target, int, blob) error {
		time.Sleep(2 * time.Millisecond) // the duration that the figures must show
		return nil
	}
	o := options{clients: 4, length: time.Second}
	for _, c := range []struct {
		s    scenario
		want float64
	}{
		{scenario{operate: operate}, 2000},
		{scenario{most: 100, operate: operate}, 2000},
		{scenario{most: 100, size: 1e6, unit: megabytes, operate: operate}, 2000},
		{scenario{most: 100, unit: millis, operate: operate}, 2},
		{scenario{most: 100, unit: millis, clients: 1, operate: operate}, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			if got, err := c.s.round(t.Context(), nil, o); err != nil || math.Abs(got-c.want) > c.want/1000 {
				t.Errorf("%q of %d: %v, %v, want %v", c.s.unit, c.s.most, got, err, c.want)
			}
		})
	}
	broken := errors.New("broken")
	s := scenario{operate: func(_ context.Context, _ *target, number int, _ blob) error {
		if number == 10 {
			return broken
		}
		return nil
	}}
	if _, err := s.round(t.Context(), nil, o); !errors.Is(err, broken) {
		t.Errorf("%v, want the error of an operation", err)
	}
	for value, want := range map[float64]string{0: "", 0.25: "0.25", 9.999: "10.00", 12.34: "12.3", 141: "141", 1234567: "1,234,567"} {
		if got := number(value); got != want {
			t.Errorf("%v is %q, want %q", value, got, want)
		}
	}
}

func TestWalkFollowsLinks(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if last := r.URL.Query().Get("last"); last < "c" {
			next := string(max(last, "`")[0] + 1)
			w.Header().Set("Link", `</v2/_catalog?n=100&last=`+next+`>; rel="next"`)
		}
	}))
	defer server.Close()
	target := &target{base: server.URL, client: server.Client()}
	if pages, err := target.walk(t.Context(), "/v2/_catalog?n=100"); err != nil || pages != 4 {
		t.Errorf("%d pages, %v, want 4", pages, err)
	}
}

func TestFrameIsComplete(t *testing.T) {
	frame := append([]string{" packhouse setup", "╭────╮", "│ Which name? │", "│ › vm │"}, slices.Repeat([]string{"│ │"}, rows-6)...)
	frame = append(frame, "╰────╯", " enter next · ctrl+c leave")
	if !complete(strings.Join(frame, "\n")) {
		t.Error("a whole frame is not complete")
	}
	for n := range len(frame) {
		part := append(slices.Clone(frame[:n]), slices.Repeat([]string{""}, rows-n)...)
		if complete(strings.Join(part, "\n")) {
			t.Errorf("%d lines of %d are complete", n, len(frame))
		}
	}
}
