package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"packhouse/server/auth"
	"packhouse/server/config/verify"
	"packhouse/server/connection"
	"packhouse/server/route"
	"packhouse/trust"
)

// Audit writes an audit trail as JSON lines, separate from the log (log.audit.path). It records
// pushes, deletions, pulls of manifests, denied requests, and administrative operations. It omits
// secrets, and blob reads, because they belong to a recorded manifest pull.
type Audit struct {
	path string
	now  func() time.Time
	log  *slog.Logger

	mu     sync.Mutex
	to     io.Writer // nil: off
	file   *os.File
	broken bool
}

// AuditLine is one line. Empty fields are left out.
type AuditLine struct {
	Time       time.Time `json:"time"`
	Event      string    `json:"event"`          // "request", "sign-in", "start", "stop", "reload", "admin"
	User       string    `json:"user,omitempty"` // authenticated; for a failed sign-in, the existing user it was for
	Remote     string    `json:"remote,omitempty"`
	Action     string    `json:"action,omitempty"`
	Repository string    `json:"repository,omitempty"`
	Tag        string    `json:"tag,omitempty"`
	Digest     string    `json:"digest,omitempty"`
	From       string    `json:"from,omitempty"` // the source of a mount
	Status     int       `json:"status,omitempty"`
	Code       string    `json:"code,omitempty"`
	Outcome    string    `json:"outcome"` // "done", "refused", "locked out", "failed" or "cut off"
}

// OpenAudit opens the audit trail: path is a file to append to, created with mode 0600, or "-" for
// standard output, or "" for none.
func OpenAudit(path string, now func() time.Time, log *slog.Logger) (*Audit, error) {
	a := &Audit{path: path, now: now, log: log}
	return a, a.Reopen()
}

// Reopen reopens the file, after log rotation has moved it.
func (a *Audit) Reopen() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch a.path {
	case "":
		return nil
	case "-":
		a.to = os.Stdout
		return nil
	}
	if err := verify.CheckAudit(a.path); err != nil {
		return fmt.Errorf("open audit log: log.audit.path %w", err)
	}
	file, err := trust.OpenLog(a.path, 0o600)
	if err != nil {
		return fmt.Errorf("open audit log: %w", err)
	}
	if a.file != nil {
		a.file.Close()
	}
	a.to, a.file = file, file
	return nil
}

// Close closes the file.
func (a *Audit) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file != nil {
		a.file.Close()
	}
	a.to, a.file = nil, nil
}

// Write writes a line. A failure is logged once and does not affect requests.
func (a *Audit) Write(l AuditLine) {
	l.Time = a.now().UTC()
	line, err := json.Marshal(l)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.to == nil {
		return
	}
	if err == nil {
		_, err = a.to.Write(append(line, '\n'))
	}
	if err != nil && !a.broken {
		a.log.LogAttrs(context.Background(), slog.LevelError, "the audit log cannot be written",
			slog.String("path", a.path), slog.Any("error", err))
	}
	a.broken = err != nil
}

// Request writes the outcome of a request, if it is audited.
func (a *Audit) Request(r *http.Request, rec *Request, w *connection.Response) {
	if a.path == "" {
		return
	}
	l := AuditLine{
		Event: "request", User: rec.User, Remote: rec.Client.String(), Action: string(rec.Action),
		Repository: rec.Request.Repository.String(), Tag: rec.Request.Tag.String(), Digest: rec.Request.Digest.String(),
		From: rec.Request.From.String(), Status: w.Status(), Outcome: "done",
	}
	if l.Digest == "" {
		l.Digest = w.Header().Get("Docker-Content-Digest")
	}
	if rec.Refusal != nil {
		l.Code, l.Outcome = rec.Refusal.Code, "refused"
		if rec.Refusal.Status >= http.StatusInternalServerError {
			l.Outcome = "failed"
		}
	}
	if rec.Aborted {
		l.Outcome = "cut off"
	}
	if refused, ok := errors.AsType[*auth.RefusedError](rec.Reason); ok {
		if refused.Repeated {
			return // the first one was recorded
		}
		l.Event, l.User = "sign-in", refused.User
		if refused.Locked {
			l.Outcome = "locked out"
		}
	} else if !audited(r, rec) {
		return
	}
	a.Write(l)
}

// audited reports whether a request is recorded: changes, pulls of manifests, and requests denied
// to a user.
func audited(r *http.Request, rec *Request) bool {
	if rec.Refusal != nil && rec.Refusal.Status == http.StatusForbidden {
		return true
	}
	switch rec.Action {
	case route.UploadFinish, route.UploadCancel, route.ManifestWrite, route.ManifestDelete, route.TagDelete,
		route.BlobDelete, route.PackPush, route.PackTagWrite, route.PackTagDelete:
		return true
	case route.UploadStart: // starting a session changes nothing
		return rec.Request.Mount != "" || rec.Request.Digest != ""
	case route.ManifestRead, route.PackArchive:
		return r.Method == http.MethodGet && rec.Refusal == nil
	}
	return false
}
