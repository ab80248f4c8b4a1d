package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// safeHeaders are sent on API routes unless the configuration says otherwise by name. Strict-Transport-Security is not among them: behind
// a private CA it locks browsers out of the host.
var safeHeaders = map[string][]string{
	"Content-Security-Policy": {"default-src 'none'; frame-ancestors 'none'"},
	"Referrer-Policy":         {"same-origin"},
	"X-Content-Type-Options":  {"nosniff"},
	"X-Frame-Options":         {"DENY"},
}

const (
	policyHeader = "Content-Security-Policy"
	strictHeader = "Strict-Transport-Security"
)

// mergeHeaders puts the given headers over the safe ones and mends what can be mended.
func (d *decoder) mergeHeaders(c *Config) {
	effective := maps.Clone(safeHeaders)
	for _, name := range slices.Sorted(maps.Keys(c.HTTP.Headers)) {
		values := c.HTTP.Headers[name]
		if len(values) == 0 {
			delete(effective, name)
			continue
		}
		path := join("http.headers", name)
		if name == strictHeader && d.origins[path].File == defaultName {
			d.note(Notice, d.origins[path], path, path+" of the built-in default is not sent: behind a private CA it locks browsers out of the host", "set it yourself where the certificate is publicly trusted")
			continue
		}
		if name == policyHeader {
			for i, policy := range values {
				if mended := closeQuotes(policy); mended != policy {
					values[i] = mended
					what := fmt.Sprintf("%s has a quote that does not close; it is sent mended: %s", path, mended)
					if d.origins[path].File == defaultName {
						d.note(Notice, d.origins[path], path, what, "")
					} else {
						d.note(Warning, d.origins[path], path, what, "close it there")
					}
				}
			}
		}
		effective[name] = values
	}
	c.HTTP.Headers = effective
}

// closeQuotes adds the missing quotes of a content security policy: 'self becomes 'self'. Sources never hold blanks, so each word of the
// policy either has both quotes or none.
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
