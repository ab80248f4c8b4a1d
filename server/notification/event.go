package notification

import (
	"crypto/rand"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// MediaType is the Content-Type of an envelope, that of CNCF distribution 2.8 and later.
const MediaType = "application/vnd.docker.distribution.events.v2+json"

// Envelope is the body of a request to an endpoint. Its events are in the order in which they happened.
type Envelope struct {
	Events []Event `json:"events"`
}

// Event is a push, pull, mount or deletion, with the fields of CNCF distribution's events.
type Event struct {
	ID        string    `json:"id"`
	Timestamp time.Time `json:"timestamp"`
	Action    string    `json:"action"` // push, pull, mount or delete
	Target    Target    `json:"target"`
	Request   Request   `json:"request"`
	Actor     Actor     `json:"actor"`
	Source    Source    `json:"source"`
}

// Target is the object of an event.
type Target struct {
	MediaType      string        `json:"mediaType,omitempty"`
	Digest         digest.Digest `json:"digest,omitempty"`
	Size           int64         `json:"size,omitempty"`   // in bytes
	Length         int64         `json:"length,omitempty"` // the same, under the older name
	Repository     string        `json:"repository,omitempty"`
	FromRepository string        `json:"fromRepository,omitempty"` // of a mount
	URL            string        `json:"url,omitempty"`
	Tag            string        `json:"tag,omitempty"`
	References     []Descriptor  `json:"references,omitempty"` // of a pushed manifest, if the configuration includes them
}

// Descriptor describes content that a manifest refers to.
type Descriptor struct {
	MediaType string        `json:"mediaType,omitempty"`
	Digest    digest.Digest `json:"digest,omitempty"`
	Size      int64         `json:"size"`
}

// Request is the request that caused an event.
type Request struct {
	ID        string `json:"id"`
	Addr      string `json:"addr,omitempty"` // of the client
	Host      string `json:"host,omitempty"` // Host header
	Method    string `json:"method"`
	UserAgent string `json:"useragent"`
}

// Actor is the user whose request caused an event.
type Actor struct {
	Name string `json:"name,omitempty"`
}

// Source is the server that reports an event.
type Source struct {
	Addr       string `json:"addr,omitempty"`
	InstanceID string `json:"instanceID,omitempty"` // changes at every start
}

// NewID returns a random ID for an event or a request.
func NewID() string { return strings.ToLower(rand.Text()) }
