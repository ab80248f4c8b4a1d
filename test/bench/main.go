// Command bench measures packhouse side by side with CNCF distribution, on
// this machine, in one run: the same requests, the same configuration, the same
// number of clients, rounds taken in turns so that a noisy neighbour meets both.
//
//	make bench
//	make bench BENCHFLAGS='-only push -rounds 5'
//
// It reports the median of the rounds. Client and server share the machine, so
// differences below a factor of 1.5 are noise; and a push is durable with both
// only as far as each of them goes (distribution does not sync every directory).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// options are what a run is bounded by.
type options struct {
	packhouse string        // binary; empty leaves it out
	registry  string        // CNCF distribution's binary; empty leaves it out
	dir       string        // where the stores are made; removed afterwards
	only      string        // part of the names of the scenarios to run
	clients   int           // at once; large blobs use fewer
	rounds    int           // per scenario and peer
	length    time.Duration // of a round, at most
	tags      int           // in the repository whose tags are listed
}

func main() {
	var o options
	flag.StringVar(&o.packhouse, "packhouse", "../../bin/packhouse", "packhouse `binary`")
	flag.StringVar(&o.registry, "registry", "../../.tools/bin/registry", "CNCF distribution's `binary`")
	flag.StringVar(&o.dir, "dir", "", "`directory` for the stores (default: a temporary one)")
	flag.StringVar(&o.only, "only", "", "run only scenarios whose name holds `text`")
	flag.IntVar(&o.clients, "clients", 8, "clients at once")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds per scenario, of which the median counts")
	flag.DurationVar(&o.length, "length", 2*time.Second, "longest time of a round")
	flag.IntVar(&o.tags, "tags", 1000, "tags in the repository that is listed")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures every setting with every peer and prints the table.
func run(ctx context.Context, o options) error {
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "packhouse-bench-")
		if err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
		defer os.RemoveAll(dir)
		o.dir = dir
	}
	certificate, err := makeCertificate(o.dir)
	if err != nil {
		return err
	}
	var peers []peer
	for _, candidate := range []peer{{name: "packhouse", binary: o.packhouse}, {name: "distribution", binary: o.registry}} {
		if candidate.binary == "" {
			continue
		}
		if candidate.binary, err = filepath.Abs(candidate.binary); err != nil {
			return fmt.Errorf("find %s: %w", candidate.name, err)
		}
		if _, err := os.Stat(candidate.binary); err != nil {
			return fmt.Errorf("find %s: %w", candidate.name, err)
		}
		peers = append(peers, candidate)
	}
	if len(peers) == 0 {
		return errors.New("nothing to measure")
	}

	report := newReport(os.Stdout, peers)
	for _, setting := range settings {
		if err := measure(ctx, o, setting, peers, certificate, report); err != nil {
			return fmt.Errorf("%s: %w", setting.name, err)
		}
	}
	return nil
}

// measure starts all peers in one setting and takes them through its
// scenarios in turns.
func measure(ctx context.Context, o options, setting setting, peers []peer, certificate certificate, report *report) error {
	var wanted []scenario
	for _, s := range scenarios(o) {
		if strings.Contains(s.name, o.only) && setting.wants(s) {
			wanted = append(wanted, s)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	var running []*target
	defer func() {
		for _, target := range running {
			target.stop()
		}
	}()
	for _, peer := range peers {
		target, err := peer.start(ctx, filepath.Join(o.dir, setting.name, peer.name), setting, certificate, o.clients)
		if err != nil {
			return fmt.Errorf("start %s: %w", peer.name, err)
		}
		running = append(running, target)
	}
	report.setting(setting)
	for _, s := range wanted {
		results := make([][]float64, len(running))
		for i, target := range running {
			if err := s.prepare(ctx, target); err != nil {
				return fmt.Errorf("prepare %s on %s: %w", s.name, target.name, err)
			}
			results[i] = make([]float64, 0, o.rounds)
		}
		for range o.rounds {
			for i, target := range running {
				rate, err := s.round(ctx, target, o)
				if err != nil {
					return fmt.Errorf("%s on %s: %w", s.name, target.name, err)
				}
				results[i] = append(results[i], rate)
			}
		}
		report.row(s, results)
	}
	report.footer(running)
	return nil
}
