package config

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"packhouse/finding"
)

// safeHeaders are the default headers of API routes, which the configuration can override by name.
// They exclude Strict-Transport-Security, which locks browsers out of a host with a private CA.
var safeHeaders = map[string][]string{
	PolicyHeader:      {"default-src 'none'; frame-ancestors 'none'"},
	"Referrer-Policy": {"same-origin"},
	SniffHeader:       {"nosniff"},
	FrameHeader:       {"DENY"},
}

// Names of response headers that the configuration can change.
const (
	PolicyHeader = "Content-Security-Policy"
	FrameHeader  = "X-Frame-Options"
	SniffHeader  = "X-Content-Type-Options"
	StrictHeader = "Strict-Transport-Security"

	OriginHeader      = "Access-Control-Allow-Origin"
	credentialsHeader = "Access-Control-Allow-Credentials"
)

// mergeHeaders merges the configured headers over the safe ones and fixes what can be fixed.
func (d *decoder) mergeHeaders(c *Config) {
	effective := maps.Clone(safeHeaders)
	for _, name := range slices.Sorted(maps.Keys(c.HTTP.Headers)) {
		values := c.HTTP.Headers[name]
		if len(values) == 0 {
			delete(effective, name)
			continue
		}
		path := Join("http.headers", name)
		if name == StrictHeader && d.origins[path].File == defaultName {
			d.note(finding.Note, d.origins[path], path,
				path+" of the built-in default is not sent: behind a private CA it locks browsers out of the host",
				"set it yourself where the certificate is publicly trusted")
			continue
		}
		if name == PolicyHeader {
			for i, policy := range values {
				if mended := closeQuotes(policy); mended != policy {
					values[i] = mended
					what := fmt.Sprintf("%s has a quote that does not close; it is sent as: %s", path, mended)
					if d.origins[path].File == defaultName {
						d.note(finding.Note, d.origins[path], path, what, "")
					} else {
						d.note(finding.Warning, d.origins[path], path, what, "close it there")
					}
				}
			}
		}
		if name == OriginHeader {
			d.origin(path, values)
		}
		effective[name] = values
	}
	c.HTTP.Headers = effective
	if credentials := effective[credentialsHeader]; slices.Contains(credentials, "true") && slices.Contains(effective[OriginHeader], "*") {
		path := Join("http.headers", credentialsHeader)
		d.note(finding.Warning, d.origins[path], path, path+" has no effect: browsers refuse it beside the origin *",
			"list the origins in "+OriginHeader)
	}
}

// origin warns about values of Access-Control-Allow-Origin that cannot equal the origin of any page
// (RFC 6454, section 6.2).
func (d *decoder) origin(path string, values []string) {
	for part := range strings.SplitSeq(strings.Join(values, ","), ",") {
		part = strings.TrimSpace(part)
		if part == "" || part == "*" {
			continue
		}
		u, err := url.Parse(part)
		if err != nil || u.Host == "" || part != u.Scheme+"://"+u.Host || part != strings.ToLower(part) || strings.Contains(part, "*") {
			d.note(finding.Warning, d.origins[path], path,
				fmt.Sprintf("%s: %s is not an origin of a page, so it never matches", path, Quote(part)),
				"write it like https://ui.example.com, in lower case and without a path")
		}
	}
}

// closeQuotes adds missing quotes in a content security policy: 'self becomes 'self'. Sources
// contain no spaces, so each word has either both quotes or none.
func closeQuotes(policy string) string {
	if strings.Count(policy, "'")%2 == 0 {
		return policy
	}
	directives := strings.Split(policy, ";")
	for i, directive := range directives {
		for word := range strings.FieldsSeq(directive) {
			opens, closes := strings.HasPrefix(word, "'"), strings.HasSuffix(word, "'") && len(word) > 1
			switch {
			case opens && !closes:
				directives[i] = strings.Replace(directives[i], word, word+"'", 1)
			case closes && !opens:
				directives[i] = strings.Replace(directives[i], word, "'"+word, 1)
			}
		}
	}
	return strings.Join(directives, ";")
}
