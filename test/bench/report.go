package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// report prints a table that can be pasted into Markdown.
type report struct {
	out   io.Writer
	peers []peer
}

func newReport(out io.Writer, peers []peer) *report { return &report{out, peers} }

func (r *report) setting(s setting) {
	auth, wire := "no authentication", "plain HTTP"
	if s.cost > 0 {
		auth = fmt.Sprintf("bcrypt cost %d", s.cost)
	}
	if s.tls {
		wire = "TLS"
	}
	fmt.Fprintf(r.out, "\n## %s, %s\n\n| %-26s |", auth, wire, "scenario")
	for _, peer := range r.peers {
		fmt.Fprintf(r.out, " %14s |", peer.name)
	}
	fmt.Fprintf(r.out, " %6s |\n|%s|%s\n", "factor", strings.Repeat("-", 28), strings.Repeat("---:|", len(r.peers)+1))
}

// row prints the medians of one scenario, and how many times as fast the first
// peer is as the second.
func (r *report) row(s scenario, results [][]float64) {
	fmt.Fprintf(r.out, "| %-26s |", s.name+", "+s.unit())
	for _, rounds := range results {
		fmt.Fprintf(r.out, " %14.0f |", median(rounds))
	}
	if len(results) == 2 && median(results[1]) > 0 {
		fmt.Fprintf(r.out, " %6.1f", median(results[0])/median(results[1]))
	} else {
		fmt.Fprintf(r.out, " %6s", "")
	}
	fmt.Fprintln(r.out, " |")
}

// footer prints what the processes themselves cost.
func (r *report) footer(running []*target) {
	line := func(name string, value func(*target) float64) {
		fmt.Fprintf(r.out, "| %-26s |", name)
		for _, target := range running {
			fmt.Fprintf(r.out, " %14.0f |", value(target))
		}
		fmt.Fprintf(r.out, " %6s |\n", "")
	}
	line("peak RSS, MiB", func(t *target) float64 { peak, _ := t.memory(); return peak })
	line("RSS at the end, MiB", func(t *target) float64 { _, now := t.memory(); return now })
	line("cold start, ms", func(t *target) float64 { return float64(t.coldStart.Milliseconds()) })
	line("binary, MB", func(t *target) float64 {
		info, err := os.Stat(t.binary)
		if err != nil {
			return 0
		}
		return float64(info.Size()) / 1e6
	})
}
