package registry

import (
	"bytes"
	"io"

	"packhouse/server/auth"
)

// probeHead is how much of content is searched for the name of a probe identity, in bytes.
const probeHead = 4 << 10

// namesProbe reports whether the beginning of content names the probe identity that deletes it. Such content is younger than the
// identity, whose name is random, so no other repository holds it and its data need not wait for garbage collection.
func namesProbe(id auth.Identity, content io.Reader) bool {
	head, err := io.ReadAll(io.LimitReader(content, probeHead))
	return err == nil && id.Probe && bytes.Contains(head, []byte(id.User))
}
