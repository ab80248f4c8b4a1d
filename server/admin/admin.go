// Package admin connects to a running server over its admin socket.
//
//	client, err := admin.Find(cfg)
//	if errors.Is(err, admin.ErrNotRunning) { … } // acquire the store's lock instead
//	report, err := client.Collect(ctx, admin.CollectRequest{DryRun: true}, func(v storage.Verdict) { … })
//
// The socket is a Unix socket of mode 0600. Each side verifies the other before it sends anything:
// the server accepts connections of root and of its own user only, and the client accepts a process
// of root, of its own user, or of a user that a root-owned file names, behind a socket and
// directories that belong to one of them. No password of a user is ever sent over it.
//
// The protocol is HTTP with JSON bodies. A long operation answers with one JSON object per line;
// the last one has "done" or "error". While there is nothing to report, the server sends an empty line
// every Heartbeat.
package admin

import (
	"time"

	"packhouse/server/storage"
)

// Paths of requests.
const (
	PathStatus  = "/status"  // GET: Status
	PathReload  = "/reload"  // POST: Reload
	PathProbe   = "/probe"   // POST ProbeRequest: ProbeIdentity
	PathCollect = "/gc"      // POST CollectRequest: lines of storage.Verdict, done: storage.CollectReport
	PathPurge   = "/purge"   // POST PurgeRequest: done: storage.PurgeReport
	PathScrub   = "/scrub"   // POST ScrubRequest: lines of storage.Damage, done: storage.ScrubReport
	PathUsage   = "/usage"   // POST: done: storage.Usage
	PathReindex = "/reindex" // POST: done: storage.ReindexReport
	PathDelete  = "/delete"  // POST DeleteRequest: done: Deletion
	PathPacks   = "/packs"   // GET: PackReport
)

// Heartbeat is the interval of empty lines in a streamed response. Clients give up after several
// without one.
const Heartbeat = 15 * time.Second

// Status describes a running server.
type Status struct {
	Version         string    `json:"version"`
	PID             int       `json:"pid"`
	Config          string    `json:"config"` // path; empty: the built-in document
	Address         string    `json:"address,omitempty"`
	Fingerprint     string    `json:"fingerprint,omitempty"` // SHA-256 of the certificate served; empty without TLS
	CertificateEnds time.Time `json:"certificateEnds,omitzero"`
	Nonce           string    `json:"nonce"` // value of the Packhouse-Instance header of /health
	StartedAt       time.Time `json:"startedAt"`
	Storage         string    `json:"storage"`
	Auth            string    `json:"auth"`
	TLS             string    `json:"tls"`
	Users           int       `json:"users"`
	UsersDigest     string    `json:"usersDigest,omitempty"` // htpasswd.File.Digest of the users in effect; empty without htpasswd
	Health          []string  `json:"health,omitempty"`      // codes of /health; none if healthy
	Faults          []string  `json:"faults,omitempty"`      // what is broken while the last valid state is in use
	Reload          *Reload   `json:"reload,omitempty"`      // the last one; nil: none yet
}

// Reload is the result of a reload.
type Reload struct {
	At           time.Time `json:"at"`
	Error        string    `json:"error,omitempty"`        // empty if it succeeded
	NeedsRestart []string  `json:"needsRestart,omitempty"` // changed keys that need a restart
}

// ProbeRequest asks for a probe identity.
type ProbeRequest struct {
	Role string `json:"role"` // reader, writer or admin
}

// ProbeIdentity is valid for a minute, and only in repositories below packhouse-probe.
type ProbeIdentity struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

// CollectRequest requests garbage collection. JSON durations are in nanoseconds; zero means the
// server's configured value.
type CollectRequest struct {
	DryRun   bool          `json:"dryRun"`
	Window   time.Duration `json:"window,omitempty"`
	Untagged time.Duration `json:"untagged,omitempty"`
}

// PurgeRequest requests removal of abandoned upload sessions. A zero age means the server's
// configured value.
type PurgeRequest struct {
	DryRun bool          `json:"dryRun"`
	Age    time.Duration `json:"age,omitempty"`
}

// ScrubRequest requests a scrub. Rate is in bytes per second; 0 means unlimited.
type ScrubRequest struct {
	Rate int64 `json:"rate,omitempty"`
}

// DeleteRequest asks for the deletion of a manifest or a blob of a repository. Force deletes it even
// if a tag needs it.
type DeleteRequest struct {
	Repository string `json:"repository"`
	Digest     string `json:"digest"`
	Force      bool   `json:"force"`
}

// Deletion is the result of a DeleteRequest.
type Deletion struct {
	Repository string `json:"repository"`
	Digest     string `json:"digest"`
	Kind       string `json:"kind"` // "blob" or "manifest"
	Deleted    bool   `json:"deleted"`
	Tag        string `json:"tag,omitempty"`      // needs the content, so that it was not deleted
	Manifest   string `json:"manifest,omitempty"` // what the tag points to
}

// PackReport lists versions of packs that Palette does not install, such as one whose tag and pack.json
// disagree. It covers all users' packs.
type PackReport struct {
	Examined int      `json:"examined"` // versions
	Complete bool     `json:"complete"` // false: there are versions that the server did not examine
	Unread   int      `json:"unread"`   // examined versions whose archive the server has yet to read
	Found    int      `json:"found"`    // examined versions with a problem
	Problems []string `json:"problems"` // "REPOSITORY:TAG: reason", the first 100 by repository
}

// Line is one line of a streamed response. Exactly one field is set.
type Line struct {
	Verdict *storage.Verdict `json:"verdict,omitempty"`
	Damage  *storage.Damage  `json:"damage,omitempty"`
	Done    any              `json:"done,omitempty"`
	Error   string           `json:"error,omitempty"`
}
