package config

import (
	"fmt"
	"regexp"
	"regexp/syntax"
)

// settleValidation reports invalid regular expressions.
func (d *decoder) settleValidation(c *Config) {
	for _, part := range []struct {
		key         string
		expressions []string
	}{{"allow", c.Validation.Allow}, {"deny", c.Validation.Deny}} {
		for i, expression := range part.expressions {
			p := fmt.Sprintf("validation.manifests.urls.%s[%d]", part.key, i)
			_, err := regexp.Compile(expression)
			if err == nil || d.failedAt(p) {
				continue
			}
			what := err.Error()
			if bad, ok := err.(*syntax.Error); ok { //nolint:errorlint // regexp returns it unwrapped
				what = bad.Code.String()
			}
			d.fail(CodeValue, d.origins[p], p, fmt.Sprintf("%s is not a regular expression: %s: %s", p, Quote(expression), what),
				"write it in the syntax of RE2, for example ^https://mirror\\.example\\.com/")
		}
	}
}
