package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// What the processes themselves cost.
const (
	emptyStart = "cold start, empty store"
	fullStart  = "cold start, full store"
	idle       = "resident without work"
	binarySize = "binary"
)

func processNames(options) []string { return []string{emptyStart, fullStart, idle, binarySize} }

// settled is how long a server without work is left alone before its memory is
// looked at.
const settled = 2 * time.Second

// measureProcesses starts every peer again and again.
func measureProcesses(ctx context.Context, b *bench, wanted []string) error {
	b.report.columns = slices.DeleteFunc(slices.Clone(b.peers), func(p peer) bool { return p.bare })
	b.report.heading("The process, no authentication, plain HTTP", append(b.report.names(), "to the best", "target")...)
	row := func(name, unit string, figures []float64) {
		cells := make([]string, len(figures))
		for i, figure := range figures {
			cells[i] = number(figure)
		}
		b.report.figures("process", name, unit, figures, cells)
	}
	if slices.Contains(wanted, emptyStart) {
		figures, err := b.coldStarts(ctx, func(peer) string { return "" })
		if err != nil {
			return err
		}
		row(emptyStart, millis, figures)
	}
	if slices.Contains(wanted, fullStart) {
		full := filepath.Join(b.dir, "process", "full")
		if err := fillStore(ctx, full, b.blobs); err != nil {
			return err
		}
		defer os.RemoveAll(full)
		// Distribution and packhouse serve the same directory, in turns.
		figures, err := b.coldStarts(ctx, func(p peer) string {
			if !p.s3 {
				return "-"
			}
			return full
		})
		if err != nil {
			return err
		}
		row(fullStart, millis, figures)
		defer fmt.Fprintf(b.report.out, "\nThe full store has %s blobs, each linked in one of %s repositories.\n", thousands(int64(b.blobs)), thousands(int64(repositoriesOf(b.blobs))))
	}
	if slices.Contains(wanted, idle) {
		figures := make([]float64, len(b.report.columns))
		for i, p := range b.report.columns {
			t, err := p.start(ctx, place{dir: filepath.Join(b.dir, "process", p.name)}, b.clients)
			if err != nil {
				return fmt.Errorf("start %s: %w", p.name, err)
			}
			time.Sleep(settled)
			_, figures[i] = t.resident()
			t.stop()
		}
		row(idle, "MiB", figures)
	}
	if slices.Contains(wanted, binarySize) {
		figures := make([]float64, len(b.report.columns))
		for i, p := range b.report.columns {
			info, err := os.Stat(p.binary)
			if err != nil {
				return fmt.Errorf("measure %s: %w", p.binary, err)
			}
			figures[i] = float64(info.Size()) / 1e6
		}
		row(binarySize, "MB", figures)
	}
	return nil
}

// coldStarts returns the median time from the start of each process to its
// first answer, in ms. A store of "-" leaves the peer out; none is a new one.
func (b *bench) coldStarts(ctx context.Context, store func(peer) string) ([]float64, error) {
	times := make([][]float64, len(b.report.columns))
	for range b.starts {
		for i, p := range b.report.columns {
			data := store(p)
			if data == "-" {
				continue
			}
			t, err := p.start(ctx, place{dir: filepath.Join(b.dir, "process", p.name), data: data}, b.clients)
			if err != nil {
				return nil, fmt.Errorf("start %s: %w", p.name, err)
			}
			times[i] = append(times[i], t.coldStart.Seconds()*thousand)
			t.stop()
		}
	}
	figures := make([]float64, len(times))
	for i := range times {
		if len(times[i]) > 0 {
			figures[i] = median(times[i])
		}
	}
	return figures, nil
}

func repositoriesOf(blobs int) int { return max(1, blobs/thousand) }
