package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// step is one change that a client requested, with the positions of the device's log at which the
// request began and its answer arrived.
type step struct {
	blob     string // digest of a pushed blob
	manifest string // digest of a pushed or deleted manifest
	tag      string // tag that was set or deleted
	deleted  bool

	started int
	acked   int // never, if no 2xx arrived
}

const never = int(^uint(0) >> 1)

// history lists the steps of one repository in order. One worker at a time changes a repository,
// so at any moment at most one step is neither acknowledged nor still to come.
type history struct {
	repository string

	mu    sync.Mutex
	steps []step
}

// begin adds a step that starts now, and returns its number.
func (h *history) begin(s step) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.acked = never
	h.steps = append(h.steps, s)
	return len(h.steps) - 1
}

// acknowledge notes that a step was answered with 2xx.
func (h *history) acknowledge(number, position int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.steps[number].acked = position
}

// acknowledged returns the position of every acknowledgement.
func (h *history) acknowledged() (positions []int) {
	for _, s := range h.steps {
		if s.acked != never {
			positions = append(positions, s.acked)
		}
	}
	return positions
}

// expectation is what a store may answer after a power cut.
type expectation struct {
	blobs     map[string]bool     // digest → acknowledged; others may be absent
	manifests map[string][]bool   // digest → whether it may exist, may be absent
	tags      map[string][]string // tag → digests that it may have; "" means absent
}

// expect computes the expectation for a cut at a position of the log.
func (h *history) expect(at int) expectation {
	e := expectation{map[string]bool{}, map[string][]bool{}, map[string][]string{}}
	for _, s := range h.steps {
		if s.started > at {
			break
		}
		acked := s.acked <= at
		if s.blob != "" {
			e.blobs[s.blob] = e.blobs[s.blob] || acked
			continue
		}
		value := s.manifest
		if s.deleted {
			value = ""
		}
		if s.manifest != "" {
			e.manifests[s.manifest] = allow(e.manifests[s.manifest], acked, !s.deleted, false)
		}
		e.tags[s.tag] = allow(e.tags[s.tag], acked, value, "")
	}
	return e
}

// allow returns the values that are allowed after a step to value: only that one if the step was
// acknowledged, and otherwise also those before. Before its first step a thing has the value none.
func allow[T any](before []T, acked bool, value, none T) []T {
	if acked {
		return []T{value}
	}
	if before == nil {
		before = []T{none}
	}
	return append(slices.Clone(before), value)
}

// objects counts what the expectation demands to exist.
func (e expectation) objects() (count int) {
	for _, acked := range e.blobs {
		if acked {
			count++
		}
	}
	for _, allowed := range e.manifests {
		if !slices.Contains(allowed, false) {
			count++
		}
	}
	for _, allowed := range e.tags {
		if !slices.Contains(allowed, "") {
			count++
		}
	}
	return count
}

// verify compares a running server with the expectation and returns what is wrong.
func (e expectation) verify(in *installation, client *http.Client, repository string) (wrong []error) {
	check := func(kind, reference string, mayBeAbsent bool, digests ...string) {
		got, err := in.request(client, reader, "GET", "/v2/"+repository+"/"+kind+"/"+reference, nil, "Accept", ociManifest)
		switch {
		case err != nil:
			wrong = append(wrong, err)
		case got.status == http.StatusNotFound && mayBeAbsent:
		case got.status != http.StatusOK:
			wrong = append(wrong, fmt.Errorf("%s %s@%s: %d %s", kind, repository, reference, got.status, got.body))
		case !slices.Contains(digests, digestOf(got.body)):
			wrong = append(wrong, fmt.Errorf("%s %s@%s: content %s, want one of %q",
				kind, repository, reference, digestOf(got.body), strings.Join(digests, " ")))
		}
	}
	for digest, acked := range e.blobs {
		check("blobs", digest, !acked, digest)
	}
	for digest, allowed := range e.manifests {
		if slices.Contains(allowed, true) {
			check("manifests", digest, slices.Contains(allowed, false), digest)
		} else {
			check("manifests", digest, true)
		}
	}
	for tag, allowed := range e.tags {
		check("manifests", tag, slices.Contains(allowed, ""), allowed...)
	}
	return wrong
}
