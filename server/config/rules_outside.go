package config

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"packhouse/finding"
	"packhouse/trust"
)

// settlePaths removes ".." from the paths of files, so that they keep their meaning when names are
// joined to them: like every other program, packhouse follows links before it goes up.
func settlePaths(c *Config) {
	l := &c.HTTP.TLS.LetsEncrypt
	paths := []*string{
		&c.Storage.Filesystem.RootDirectory, &c.Storage.S3.CAFile, &c.Log.Audit.Path, &c.Auth.Htpasswd.Path,
		&c.HTTP.TLS.Certificate, &c.HTTP.TLS.Key, &l.CAFile, &l.EABKeyFile,
	}
	for i := range c.HTTP.TLS.ClientCAs {
		paths = append(paths, &c.HTTP.TLS.ClientCAs[i])
	}
	if !strings.HasPrefix(l.CacheFile, inStorage) {
		paths = append(paths, &l.CacheFile)
	}
	if c.HTTP.Net == "unix" {
		paths = append(paths, &c.HTTP.Addr)
	}
	for _, path := range paths {
		*path = trust.Clean(*path)
	}
}

// settleAudit rejects an audit log inside the store, whose files belong to the store alone.
func (d *decoder) settleAudit(c *Config) {
	const p = "log.audit.path"
	audit, store := c.Log.Audit.Path, c.Storage.Filesystem.RootDirectory
	if c.Storage.Driver != Filesystem || store == "" || audit == "" || audit == "-" || d.failedAt(p) {
		return
	}
	root, errRoot := trust.Abs(store)
	file, errFile := trust.Abs(audit)
	inside, err := filepath.Rel(root, file)
	if errors.Join(errRoot, errFile, err) == nil && filepath.IsLocal(inside) {
		d.fail(CodeConflict, d.origins[p], p, p+" is inside storage.filesystem.rootdirectory: "+QuotePath(audit),
			"name a file in another directory, such as /var/log/packhouse/audit.jsonl, and move the existing one")
	}
}

// settleHealth validates the health checks other than the store's.
func (d *decoder) settleHealth(c *Config, whole Origin) {
	for i, h := range c.Health.File {
		p := fmt.Sprintf("health.file[%d]", i)
		if h.File == "" {
			d.lacks(p, "file", whole, "name the file whose presence takes this server out of service")
		}
		d.positive(p+".interval", h.Interval)
	}
	for i, h := range c.Health.HTTP {
		p := fmt.Sprintf("health.http[%d]", i)
		if h.URI == "" {
			d.lacks(p, "uri", whole, "write a URL like http://localhost:8080/ready")
		} else {
			d.webAddress(p+".uri", h.URI, "http://localhost:8080/ready")
		}
		if h.StatusCode > 599 {
			d.fail(CodeValue, d.origins[p+".statuscode"], p+".statuscode",
				fmt.Sprintf("%s.statuscode is %d, and there is no such status", p, h.StatusCode), "write one between 100 and 599")
		}
		d.positive(p+".interval", h.Interval)
		d.positive(p+".timeout", h.Timeout)
	}
	for i, h := range c.Health.TCP {
		p := fmt.Sprintf("health.tcp[%d]", i)
		if h.Addr == "" {
			d.lacks(p, "addr", whole, "write host and port, like db.example.com:5432")
		} else {
			d.address(p+".addr", h.Addr)
		}
		d.positive(p+".interval", h.Interval)
		d.positive(p+".timeout", h.Timeout)
	}
}

// actions are the actions that an endpoint may ignore.
var actions = []string{"pull", "push", "mount", "delete"}

// settleWebhooks validates the notification endpoints. Their names identify queues and must be
// unique.
func (d *decoder) settleWebhooks(c *Config, whole Origin) {
	first := map[string]int{}
	enabled := 0
	for i := range c.Notifications.Endpoints {
		e := &c.Notifications.Endpoints[i]
		p := fmt.Sprintf("notifications.endpoints[%d]", i)
		if other, twice := first[e.Name]; twice && e.Name != "" {
			d.fail(CodeConflict, d.origins[p+".name"], p+".name",
				fmt.Sprintf("%s.name is the same as that of notifications.endpoints[%d]: %s", p, other, Quote(e.Name)),
				"give each endpoint a name of its own")
		} else {
			first[e.Name] = i
		}
		if e.Name == "" {
			d.lacks(p, "name", whole, "logs, metrics and the queue are called by it")
		}
		switch {
		case e.URL == "" && !e.Disabled:
			d.lacks(p, "url", whole, "write where events are posted, like https://hooks.example.com/registry")
		case e.URL != "":
			d.webAddress(p+".url", e.URL, "https://hooks.example.com/registry")
		}
		d.positive(p+".timeout", e.Timeout)
		d.positive(p+".backoff", e.Backoff)
		for n, action := range e.IgnoreActions {
			e.IgnoreActions[n] = strings.ToLower(action)
			if at := fmt.Sprintf("%s.ignore.actions[%d]", p, n); !slices.Contains(actions, strings.ToLower(action)) {
				d.fail(CodeValue, d.origins[at], at, fmt.Sprintf("%s is not an action: %s", at, Quote(action)),
					ChooseFrom(action, actions))
			}
		}
		if !e.Disabled {
			enabled++
		}
	}
	if d.set["notifications.events.includereferences"] && len(c.Notifications.Endpoints) == 0 {
		const p = "notifications.events.includereferences"
		d.note(finding.Note, d.origins[p], p, p+" changes nothing without notifications.endpoints", "")
	}
	if enabled > 0 && (c.Storage.Driver == InMemory || c.Storage.Maintenance.ReadOnly.Enabled) {
		d.note(finding.Note, d.origins["notifications.endpoints"], "notifications.endpoints",
			"notifications.endpoints: the queue is in memory with this storage; what waits is lost when the server stops", "")
	}
}

// lacks reports a missing key in an entry of a list.
func (d *decoder) lacks(entry, name string, whole Origin, remedy string) {
	p := Join(entry, name)
	if d.failedAt(p) || d.meant[p] {
		return
	}
	at := whole
	for _, path := range d.below(entry) {
		at = d.origins[path]
		break
	}
	d.fail(CodeMissing, at, p, p+" is missing", remedy)
}

// below returns the keys set in an entry, sorted.
func (d *decoder) below(entry string) []string {
	var paths []string
	for p := range d.origins {
		if strings.HasPrefix(p, entry+".") {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	return paths
}

// positive rejects an explicit duration of 0, which would never wait or never get a response.
func (d *decoder) positive(path string, v time.Duration) {
	if v <= 0 && d.set[path] && !d.failedAt(path) {
		d.fail(CodeValue, d.origins[path], path, path+" is 0", "write a duration like 10s")
	}
}

// webAddress validates the URL of another server. It may contain credentials, so messages omit it.
func (d *decoder) webAddress(path, address, example string) {
	if d.failedAt(path) {
		return
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		d.fail(CodeValue, d.origins[path], path, path+" is not a URL of http or https", "write it like "+example)
	}
}
