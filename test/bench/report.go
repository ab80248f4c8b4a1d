package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// report prints tables that can be pasted into Markdown.
type report struct {
	out     io.Writer
	columns []peer             // of the table that is being printed
	own     map[string]float64 // SETTING/SCENARIO → packhouse's figure
	peaks   [][]string         // rows of the table about memory
}

func newReport(out io.Writer) *report { return &report{out: out, own: map[string]float64{}} }

// machine says what was measured on what.
func (r *report) machine(peers []peer) {
	model := "unknown processor"
	if file, err := os.Open("/proc/cpuinfo"); err == nil {
		defer file.Close()
		for lines := bufio.NewScanner(file); lines.Scan(); {
			if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	load, _, _ := strings.Cut(readText("/proc/loadavg"), " ")
	fmt.Fprintf(r.out, "%d × %s, %s/%s, load %s at the start\n\n", runtime.NumCPU(), model, runtime.GOOS, runtime.GOARCH, load)
	for _, p := range peers {
		if !p.bare {
			fmt.Fprintf(r.out, "- %s: a push is %s when it is answered\n", p.name, p.promise)
		}
	}
	fmt.Fprintln(r.out, "- bare files: Go's file server with the same client; a limit, not a registry")
}

func readText(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// setting begins the table of a setting.
func (r *report) setting(s setting, running []*target) {
	r.columns = nil
	for _, t := range running {
		r.columns = append(r.columns, t.peer)
	}
	r.peaks = nil
	r.heading(s.title, append(r.names(), "to the best", "target")...)
}

func (r *report) names() []string {
	var names []string
	for _, p := range r.columns {
		names = append(names, p.name)
	}
	return names
}

// heading begins a table.
func (r *report) heading(title string, columns ...string) {
	fmt.Fprintf(r.out, "\n## %s\n\n", title)
	r.cells(append([]string{""}, columns...)...)
	fmt.Fprintln(r.out, "|---|"+strings.Repeat("---:|", max(len(columns)-1, 0))+"---|")
}

func (r *report) cells(cells ...string) { fmt.Fprintf(r.out, "| %s |\n", strings.Join(cells, " | ")) }

// skip says why a table is missing.
func (r *report) skip(title, why string) {
	fmt.Fprintf(r.out, "\n## %s\n\nLeft out: %s.\n", title, why)
}

// row prints the medians of one scenario.
func (r *report) row(setting string, s scenario, results []measured) {
	unit := s.unit
	if unit == "" {
		unit = perSecond
	}
	figures := make([]float64, len(results))
	cells := make([]string, len(results))
	peaks := []string{s.name}
	for i, result := range results {
		figures[i] = result.figure
		cells[i] = number(result.figure)
		if result.tags > 0 {
			cells[i] = fmt.Sprintf("(%d tags) %s", result.tags, cells[i])
		}
		peaks = append(peaks, number(result.peak))
	}
	r.figures(setting, s.name, unit, figures, cells)
	if setting != s3Setting.name && results[0].peak > 0 {
		peaks = append(peaks, goal{atMost: peakOnDisk}.verdict(results[0].peak, "MiB"))
	}
	r.peaks = append(r.peaks, peaks)
}

// figures prints a row of the present table, with how packhouse stands to the
// best peer and to its goals. The cells are the figures as they are printed.
func (r *report) figures(setting, name, unit string, figures []float64, cells []string) {
	row := setting + "/" + name
	r.own[row] = figures[0]
	against := map[string]float64{}
	for i, p := range r.columns {
		if i == 0 || figures[i] == 0 {
			continue
		}
		ratio := better(figures[0], figures[i], unit)
		against[p.name] = ratio
		if before, ok := against[bestPeer]; !p.bare && (!ok || ratio < before) {
			against[bestPeer] = ratio
		}
	}
	toBest := ""
	if ratio, ok := against[bestPeer]; ok && unit != factor {
		toBest = number(ratio) + "×"
	}
	var verdicts []string
	for _, g := range goals {
		if g.row != row {
			continue
		}
		value, ok := figures[0], true
		if g.of != "" {
			if value, ok = against[g.of]; !ok {
				var base float64
				if base, ok = r.own[g.of]; ok {
					value = figures[0] / base
				}
			}
		}
		if ok {
			verdicts = append(verdicts, g.verdict(value, unit))
		}
	}
	r.cells(append(append([]string{name + ", " + unit}, cells...), toBest, strings.Join(verdicts, "; "))...)
}

// memory prints how large the processes became in each scenario.
func (r *report) memory(s setting) {
	if len(r.peaks) == 0 {
		return
	}
	r.heading("Peak resident memory, MiB: "+s.title, append(r.names(), "target")...)
	for _, row := range r.peaks {
		for len(row) < len(r.columns)+2 {
			row = append(row, "")
		}
		r.cells(row...)
	}
}

// number prints three digits that count, and nothing for nothing.
func number(value float64) string {
	switch {
	case value == 0:
		return ""
	case value >= 100:
		return thousands(int64(value + 0.5))
	case value >= 10:
		return strconv.FormatFloat(value, 'f', 1, 64)
	}
	return strconv.FormatFloat(value, 'f', 2, 64)
}

// thousands separates digits as people read them.
func thousands(value int64) string {
	text := strconv.FormatInt(value, 10)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
