package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
)

// setting is how the servers run: with what proof of identity, over what, and
// on what.
type setting struct {
	name  string
	title string
	cost  int  // of bcrypt; 0 is no authentication
	tls   bool // else plain HTTP on loopback
	s3    bool // else a file system
	kinds kind
}

// settings are measured in this order. What costs bcrypt 10 on every request
// is shown by the small reads alone.
var settings = []setting{
	{name: "none-plain", title: "no authentication, plain HTTP", kinds: smallRead | blobRead | blobPush | artifactPush | listing},
	{name: "none-tls", title: "no authentication, TLS", tls: true, kinds: smallRead | blobRead},
	{name: "bcrypt5-tls", title: "bcrypt cost 5, TLS", cost: 5, tls: true, kinds: smallRead | blobRead | blobPush | artifactPush | mixed},
	{name: "bcrypt10-tls", title: "bcrypt cost 10, TLS", cost: 10, tls: true, kinds: smallRead | artifactPush},
}

// s3Setting is over one S3 engine, which all who can use it share.
var s3Setting = setting{name: "s3", title: "a bucket of versitygw, no authentication, plain HTTP", s3: true, kinds: artifactPush | mixed | bucketWork}

func settingGroups() []group {
	var all []group
	for _, s := range settings {
		all = append(all, group{s.name, s.names, s.measure})
	}
	return all
}

func (s setting) scenarios(o options) []scenario {
	return slices.DeleteFunc(scenarios(o), func(of scenario) bool { return of.kind&s.kinds == 0 })
}

func (s setting) names(o options) []string {
	var names []string
	for _, of := range s.scenarios(o) {
		names = append(names, of.name)
	}
	return names
}

// measure starts all peers in this setting and takes them through its
// scenarios in turns.
func (s setting) measure(ctx context.Context, b *bench, wanted []string) error {
	var engine *s3Engine
	if s.s3 {
		var err error
		if engine, err = startS3Engine(ctx, b.options); err != nil {
			return err
		}
		if engine == nil {
			b.report.skip(s.title, "versitygw is not there: test/e2e/tools.sh versitygw builds it")
			return nil
		}
		defer engine.stop()
	}
	var running []*target
	defer func() {
		for _, target := range running {
			target.stop()
		}
	}()
	for _, p := range b.peers {
		if s.s3 && !p.s3 {
			continue
		}
		apart(filepath.Join(b.dir, s.name))
		at := place{dir: filepath.Join(b.dir, s.name, p.name), setting: s, certificate: b.certificate}
		if s.s3 {
			at.endpoint, at.root = engine.address, "/"+p.name
		}
		target, err := p.start(ctx, at, b.clients)
		if err != nil {
			return fmt.Errorf("start %s: %w", p.name, err)
		}
		running = append(running, target)
	}
	b.report.setting(s, running)
	for _, of := range s.scenarios(b.options) {
		if !slices.Contains(wanted, of.name) {
			continue
		}
		figures, err := of.measure(ctx, b.options, running)
		if err != nil {
			return err
		}
		b.report.row(s.name, of, figures)
	}
	b.report.memory(s)
	return nil
}

// measured is what one peer did in one scenario.
type measured struct {
	figure float64 // 0: it did not take part
	peak   float64 // resident, in MiB
	tags   int     // of what is listed, where that is not all
}

// measure takes the peers through the rounds of a scenario, in turns.
func (s scenario) measure(ctx context.Context, o options, running []*target) ([]measured, error) {
	results := make([]measured, len(running))
	rounds := make([][]float64, len(running))
	for _, t := range running {
		if !s.takes(t.peer) {
			continue
		}
		t.forgetPeak()
		if s.prepare != nil {
			if err := s.prepare(ctx, t); err != nil {
				return nil, fmt.Errorf("prepare %s on %s: %w", s.name, t.name, err)
			}
		}
	}
	count := o.rounds
	if s.once != nil {
		count = 1
	}
	for range count {
		for i, t := range running {
			if !s.takes(t.peer) {
				continue
			}
			// What the one before left in memory is written now, else the next
			// one that syncs a file would wait for it.
			if s.bodies != nil || s.once != nil {
				syscall.Sync()
			}
			figure, err := s.run(ctx, t, o)
			if err != nil {
				return nil, fmt.Errorf("%s on %s: %w", s.name, t.name, err)
			}
			rounds[i] = append(rounds[i], figure)
		}
	}
	for i, t := range running {
		if len(rounds[i]) == 0 {
			continue
		}
		results[i].figure = median(rounds[i])
		results[i].peak, _ = t.resident()
		tags := t.tags[manyTags]
		if s.name == onePage {
			tags = t.page
		}
		if s.kind == listing && tags > 0 && tags < o.tags {
			results[i].tags = tags
		}
	}
	return results, nil
}

func (s scenario) run(ctx context.Context, t *target, o options) (float64, error) {
	if s.once != nil {
		return s.once(ctx, t, o)
	}
	return s.round(ctx, t, o)
}

// apart has what is made below dir lie far from each other, where the file system can be told to: on ext4 the files that one peer removes would
// else slow down how others beside them make new ones, for minutes.
func apart(dir string) {
	if os.MkdirAll(dir, 0o755) == nil {
		_ = exec.Command("chattr", "+T", dir).Run() // best effort: it is noise that this takes away
	}
}
