package registry

import (
	"context"
	"errors"
	"net/http"
	"net/textproto"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/server/problem"
	"packhouse/server/reference"
	"packhouse/server/storage"
	"packhouse/server/transfer"
)

// preconditions returns a function that evaluates If-Match and If-None-Match of a write (RFC 9110,
// section 13.2.2), or nil if there are none. Its argument is the digest of the stored manifest, or "".
func preconditions(h http.Header) func(now digest.Digest) error {
	match, none := h.Values("If-Match"), h.Values("If-None-Match")
	if len(match) == 0 && len(none) == 0 {
		return nil
	}
	return func(now digest.Digest) error {
		if len(match) > 0 && !names(match, now, false) {
			return problem.FailedPrecondition("If-Match", now)
		}
		if len(none) > 0 && names(none, now, true) {
			return problem.FailedPrecondition("If-None-Match", now)
		}
		return nil
	}
}

// names reports whether one of the entity tags is that of a manifest, or is * and there is one.
// weak accepts weak tags: If-Match compares strongly.
func names(values []string, now digest.Digest, weak bool) bool {
	if now == "" {
		return false
	}
	for tag := range strings.SplitSeq(strings.Join(values, ","), ",") {
		tag = textproto.TrimString(tag)
		if weak {
			tag = strings.TrimPrefix(tag, "W/")
		}
		if tag == "*" || tag == transfer.ETag(now) {
			return true
		}
	}
	return false
}

// expectDigest evaluates the preconditions of a manifest that is pushed by digest.
func (g *Registry) expectDigest(
	ctx context.Context, repo reference.Repository, d digest.Digest, expect func(digest.Digest) error,
) error {
	_, err := g.o.Store.GetManifest(ctx, repo, d, false)
	if errors.Is(err, storage.ErrManifestUnknown) {
		return expect("")
	}
	if err != nil {
		return err
	}
	return expect(d)
}
