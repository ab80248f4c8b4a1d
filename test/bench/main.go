// Command bench measures packhouse side by side with other registries, on this
// machine, in one run: the same requests, the same configuration, the same
// number of clients, rounds taken in turns so that a noisy neighbour meets all.
//
//	make bench
//	make bench BENCHFLAGS='-only bcrypt5-tls/artifact -rounds 5'
//	make bench BENCHFLAGS="-only 's3|wizard'"
//
// It reports medians, the factor to the best peer, and the target that each
// figure is held to. Nothing fails for being slow: a figure is read by a person
// who knows what else ran. What is counted, requests to S3 above all, is exact.
//
// Groups, each a part of what -only can name:
//
//	none-plain, none-tls, bcrypt5-tls, bcrypt10-tls
//	             a file system, by authentication and wire
//	attack       sign-ins while others guess passwords
//	overload     small reads beside 500 uploads
//	process      cold start, memory without work, size of the binary
//	s3-requests  requests to the S3 engine for each push, pull and page
//	s3           throughput and memory over a bucket
//	scale        large stores of packhouse alone
//	wizard       the first frame, and `setup --yes` whole
//
// Client and server share the machine, so differences below a factor of 1.5 are
// noise. See docs/performance.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// options are what a run is bounded by.
type options struct {
	packhouse string // binary
	tools     string // directory of the peers and the S3 engine; what is missing there is left out
	dir       string // where the stores are made; removed afterwards
	only      *regexp.Regexp
	list      bool          // print the names instead
	clients   int           // at once; large blobs use fewer
	rounds    int           // per scenario and peer
	length    time.Duration // of a round, at most
	fill      time.Duration // of pushing the tags that are listed, at most
	tags      int           // in the repository whose tags are listed
	catalogue int           // repositories to be listed
	blobs     int           // in the store of the cold start
	dead      int           // blobs that a garbage collection finds dead
	cold      bool          // drop the kernel's caches before each measurement in a large store
	starts    int           // of a process or the wizard, of which the median counts
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == bareCommand {
		fatal(serveBare(os.Args[2:]))
		return
	}
	if len(os.Args) > 1 && os.Args[1] == uploadCommand {
		fatal(uploadForever(os.Args[2:]))
		return
	}
	var o options
	flag.StringVar(&o.packhouse, "packhouse", "../../bin/packhouse", "packhouse `binary`")
	flag.StringVar(&o.tools, "tools", "../../.tools/bin", "`directory` of registry, olareg and versitygw; what is not there is left out")
	flag.StringVar(&o.dir, "dir", "", "`directory` for the stores (default: a temporary one)")
	only := flag.String("only", "", "run only what this `expression` finds in GROUP/SCENARIO, as go test -run does")
	flag.BoolVar(&o.list, "list", false, "print GROUP/SCENARIO of everything and end")
	flag.IntVar(&o.clients, "clients", 8, "clients at once")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds per scenario, of which the median counts")
	flag.DurationVar(&o.length, "length", 2*time.Second, "longest time of a round")
	flag.DurationVar(&o.fill, "fill", time.Minute, "longest time of pushing the tags that are listed")
	flag.IntVar(&o.tags, "tags", 10_000, "tags in the repository that is listed")
	flag.IntVar(&o.catalogue, "catalogue", 1000, "repositories in the catalogue that is listed")
	flag.IntVar(&o.blobs, "blobs", 10_000, "blobs in the store that a cold start finds")
	flag.IntVar(&o.dead, "dead", 10_000, "dead blobs that a garbage collection finds")
	flag.BoolVar(&o.cold, "cold", false, "drop the caches of the kernel before each measurement of the group scale, as root")
	flag.IntVar(&o.starts, "starts", 11, "starts of a process, of which the median counts")
	flag.Parse()
	var err error
	if o.only, err = regexp.Compile(*only); err != nil {
		fatal(fmt.Errorf("read -only: %w", err))
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fatal(run(ctx, o))
}

func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures what is wanted with every peer and prints the tables.
func run(ctx context.Context, o options) error {
	if o.rounds < 1 || o.starts < 1 || o.clients < 1 || o.tags < 2*thousand {
		return fmt.Errorf("rounds, starts and clients have to be 1 or more, tags %d or more", 2*thousand)
	}
	if o.list {
		for _, group := range groups {
			for _, name := range group.names(o) {
				fmt.Printf("%s/%s\n", group.name, name)
			}
		}
		return nil
	}
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "packhouse-bench-")
		if err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
		defer os.RemoveAll(dir)
		o.dir = dir
	}
	bench := &bench{options: o, report: newReport(os.Stdout)}
	var err error
	if bench.certificate, err = makeCertificate(o.dir); err != nil {
		return err
	}
	if bench.peers, err = findPeers(o); err != nil {
		return err
	}
	bench.report.machine(bench.peers)
	for _, group := range groups {
		var wanted []string
		for _, name := range group.names(o) {
			if o.only.MatchString(group.name + "/" + name) {
				wanted = append(wanted, name)
			}
		}
		if len(wanted) == 0 {
			continue
		}
		if err := group.run(ctx, bench, wanted); err != nil {
			return fmt.Errorf("%s: %w", group.name, err)
		}
	}
	return nil
}

// bench is a run.
type bench struct {
	options
	report      *report
	certificate certificate
	peers       []peer // packhouse first
}

// group is a set of scenarios that share their servers and a table.
type group struct {
	name  string
	names func(o options) []string
	run   func(ctx context.Context, b *bench, wanted []string) error
}

// groups run in this order.
var groups = append(settingGroups(),
	group{"attack", attackNames, measureAttacks},
	group{"overload", overloadNames, measureOverload},
	group{"process", processNames, measureProcesses},
	group{"s3-requests", s3RequestNames, countS3Requests},
	group{"s3", s3Setting.names, s3Setting.measure},
	group{"scale", scaleNames, measureScale},
	group{"wizard", wizardNames, measureWizard},
)

// find returns the absolute path of a program, or none where it is not there.
func find(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", path, err)
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", fmt.Errorf("find %s: %w", path, err)
	}
	return path, nil
}
