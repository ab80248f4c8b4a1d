package config

import (
	"fmt"
	pathpkg "path"
	"strings"
	"unicode"

	"packhouse/finding"
	"packhouse/pattern"
)

// settle validates and resolves combinations of keys: exactly one driver, certificate and key
// together. whole is the origin to report for a missing key.
func (d *decoder) settle(c *Config, document *value, whole Origin, file string) {
	if !d.set["version"] {
		d.missing(whole, "version", "version is missing", "write version: 0.1 as the first line")
	}
	if d.set["loglevel"] && !d.set["log.level"] {
		v := document.get("loglevel")
		got, what, _ := parse(logKeys.child("level"), v)
		if what == "" {
			c.Log.Level = got.(string)
			d.origins["log.level"] = v.origin
		}
	}
	if c.Log.Formatter == "logstash" {
		c.Log.Formatter = "json"
		d.note(finding.Note, d.origins["log.formatter"], "log.formatter", "log.formatter: logstash is written as json", "")
	}
	if v := document.at("storage", "cache", "blobdescriptor"); v != nil && v.text == "redis" {
		d.note(finding.Note, v.origin, "storage.cache.blobdescriptor",
			"storage.cache.blobdescriptor: redis is not needed; this changes nothing", "")
	}
	for _, p := range []string{"http.tls.certificate", "http.tls.key", "http.tls.letsencrypt.cachefile", "storage.filesystem.rootdirectory", "log.audit.path"} {
		if d.set[p] && *lookup(p).bind(c).(*string) == "" && !d.failedAt(p) { // the user believes it is set
			d.fail(CodeValue, d.origins[p], p, p+" is empty", "give it a value, or remove the line")
		}
	}
	if c.Packs.Base != "" && !repositoryName().MatchString(c.Packs.Base) {
		d.fail(CodeValue, d.origins["packs.base"], "packs.base",
			fmt.Sprintf("packs.base is not the start of a repository's name: %s", Quote(c.Packs.Base)),
			"write it like team-a or team-a/packs: small letters and digits, no / at the ends")
	}
	c.Storage.Driver = d.pick(document, whole, storageKeys, "write storage with one of the drivers filesystem, inmemory")
	method := d.pick(document, whole, authKeys, "")
	if method == "" {
		method = AuthNone
	}
	c.Auth.Method = method
	d.settleS3(c, document, whole)
	d.settleAudit(c)
	settlePaths(c)
	d.settleAuth(c, whole)
	d.settleHTTP(c, whole)
	d.settleTLS(c, file)
	d.settleHealth(c, whole)
	d.settleWebhooks(c, whole)
	d.settleValidation(c)
	d.mergeHeaders(c)
	d.exposure(c, whole)
}

// repositoryName is the grammar of repository names (OCI distribution specification, section
// "pulling manifests").
var repositoryName = pattern.Lazy(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)

// missing reports a missing key, at its section if that exists, otherwise at whole.
func (d *decoder) missing(whole Origin, path, what, remedy string) {
	if d.meant[path] || d.failedAt(path) {
		return
	}
	at := whole
	if i := strings.LastIndexByte(path, '.'); i > 0 {
		if o, known := d.origins[path[:i]]; known {
			at = o
		}
	}
	d.fail(CodeMissing, at, path, what, remedy)
}

// pick returns the selected option of a section. remedy is the hint if none is selected; empty:
// none is required.
func (d *decoder) pick(document *value, whole Origin, k *key, remedy string) string {
	v := document.get(k.name)
	if v == nil || v.form == null {
		if remedy != "" {
			d.missing(whole, k.name, k.name+" is missing", remedy)
		}
		return ""
	}
	if v.form == scalar {
		return v.text
	}
	var chosen []field
	for _, f := range v.fields {
		if c := k.child(f.name); c != nil && c.option {
			chosen = append(chosen, f)
		}
	}
	switch len(chosen) {
	case 0:
		if remedy != "" && v.form == mapping && !d.failedBelow(k.name) {
			d.fail(CodeMissing, v.origin, k.name, k.name+" names no driver", remedy)
		}
		return ""
	case 1:
		return chosen[0].name
	}
	a, b := chosen[0], chosen[1]
	d.fail(CodeConflict, b.at, k.name, fmt.Sprintf("%s has both %s (%s) and %s (%s)", k.name, a.name, a.at, b.name, b.at),
		fmt.Sprintf("keep one, or choose with %s=%s", VariableName(k.name), b.name))
	return a.name
}

// failedBelow reports whether the section has a problem already.
func (d *decoder) failedBelow(path string) bool {
	for _, p := range d.problems {
		if strings.Contains(p.What, "unknown key "+path+".") || strings.HasPrefix(p.Key, path) {
			return true
		}
	}
	return false
}

// settleAuth validates the authentication method and its roles.
func (d *decoder) settleAuth(c *Config, whole Origin) {
	if c.Auth.Method != AuthHtpasswd {
		return
	}
	h := &c.Auth.Htpasswd
	if h.Path == "" {
		d.missing(whole, "auth.htpasswd.path", "auth.htpasswd.path is missing", "name the file with the users; packhouse user add creates one")
	}
	if h.Realm == "" {
		d.missing(whole, "auth.htpasswd.realm", "auth.htpasswd.realm is missing", "write a few words that clients show when they ask for a password")
	}
	for _, role := range []struct {
		path  string
		names []string
	}{{"auth.htpasswd.roles.admin", h.Roles.Admin}, {"auth.htpasswd.roles.writer", h.Roles.Writer}} {
		for i, name := range role.names {
			if strings.Contains(name, ":") {
				p := fmt.Sprintf("%s[%d]", role.path, i)
				d.fail(CodeValue, d.origins[p], p, fmt.Sprintf("%s holds a colon: %s", p, Quote(name)),
					"write the name of a user, as in the htpasswd file")
			}
		}
	}
	for i, rule := range h.Rules {
		d.settleRule(fmt.Sprintf("auth.htpasswd.rules[%d]", i), rule, whole)
	}
	if !d.set["auth.htpasswd.lockout.maxdelay"] {
		h.Lockout.MaxDelay = max(h.Lockout.MaxDelay, h.Lockout.Delay)
	}
	if h.Lockout.MaxDelay < h.Lockout.Delay {
		p := "auth.htpasswd.lockout.maxdelay"
		d.fail(CodeConflict, d.either(whole, p, "auth.htpasswd.lockout.delay"), p,
			"auth.htpasswd.lockout.maxdelay is shorter than delay", "make it at least as long")
	}
	if d.set["auth.htpasswd.clientnames"] && len(c.HTTP.TLS.ClientCAs) == 0 {
		p := "auth.htpasswd.clientnames"
		d.fail(CodeConflict, d.origins[p], p, "auth.htpasswd.clientnames has no use without client certificates",
			"give http.tls.clientcas too")
	}
}

func (d *decoder) settleRule(path string, rule Rule, whole Origin) {
	if d.failedAt(path) {
		return
	}
	at := whole
	for _, name := range []string{"repositories", "users", "role"} {
		if o, known := d.origins[Join(path, name)]; known {
			at = o
			break
		}
	}
	for _, part := range []struct {
		name  string
		given bool
	}{{"repositories", rule.Repositories != ""}, {"users", len(rule.Users) > 0}, {"role", rule.Role != ""}} {
		if p := Join(path, part.name); !part.given && !d.failedAt(p) && !d.meant[p] {
			d.fail(CodeMissing, at, p, p+" is missing", "a rule has repositories, users and a role")
		}
	}
	p := Join(path, "repositories")
	if capital := strings.IndexFunc(rule.Repositories, unicode.IsUpper); capital >= 0 {
		d.fail(CodeValue, d.origins[p], p, fmt.Sprintf("%s has capital letters: %s", p, Quote(rule.Repositories)),
			"names of repositories have none, so nothing would match")
		return
	}
	for part := range strings.SplitSeq(rule.Repositories, "/") {
		_, malformed := pathpkg.Match(part, "")
		switch {
		case rule.Repositories == "":
		case malformed != nil:
			d.fail(CodeValue, d.origins[p], p,
				fmt.Sprintf("%s has a bracket that does not close: %s", p, Quote(rule.Repositories)),
				"write it like team-a/** or */base")
			return
		case part == "" || part == "." || part == "..":
			d.fail(CodeValue, d.origins[p], p, fmt.Sprintf("%s has an empty part: %s", p, Quote(rule.Repositories)),
				"write it like team-a/** or */base")
			return
		case strings.Contains(part, "**") && part != "**":
			d.fail(CodeValue, d.origins[p], p, fmt.Sprintf("%s has ** beside other letters: %s", p, Quote(rule.Repositories)),
				"** matches any number of whole parts: team-a/**")
			return
		}
	}
}

// failedAt reports whether this key has a problem already.
func (d *decoder) failedAt(path string) bool {
	for _, p := range d.problems {
		if p.Key == path {
			return true
		}
	}
	return false
}

// either returns the origin of the first key that was set.
func (d *decoder) either(whole Origin, paths ...string) Origin {
	for _, p := range paths {
		if o, known := d.origins[p]; known {
			return o
		}
	}
	return whole
}
