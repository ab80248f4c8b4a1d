package packs

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"

	"oras.land/oras-go/v2/content"

	"packhouse/pattern"
)

// aboutRequest is the start of errors of oras-go: the method and the URL.
var aboutRequest = pattern.Lazy(`^(?:GET|HEAD|POST|PUT|PATCH|DELETE) "[^"]*": (?:response status code \d+: )?`)

// explainLibrary explains an error that net/http or oras-go reports as text only. It is the one
// place that knows their texts.
func (c *Client) explainLibrary(err error) *Failure {
	text := err.Error()
	mentions := func(parts ...string) bool {
		for _, part := range parts {
			if strings.Contains(text, part) {
				return true
			}
		}
		return false
	}
	const otherService = "is it the right host and port? another service or a proxy may answer there"
	switch file, _ := errors.AsType[*fs.PathError](err); {
	case file != nil: // of this machine
		return fail(CodeLocalFile, file.Error(), "")
	case mentions("bearer realm"):
		return fail(CodeOtherRealm, c.server+" names a token server that packhouse does not use: "+
			"its URL, or one that it redirects to, is invalid, has no TLS, or leads to an internal address",
			"is it the right host and port? if so, its operator must correct the realm "+
				"that it sends in WWW-Authenticate")
	case mentions("empty token returned"):
		return fail(CodeRefusedByIt, "the token server of "+c.server+" answered without a token",
			"see the log of the token server")
	case errors.Is(err, content.ErrMismatchedDigest), errors.Is(err, content.ErrTrailingData), mentions("mismatch"):
		return otherContent(err)
	case mentions("failed to decode") && strings.HasSuffix(text, "EOF"):
		return fail(CodeNotRegistry, "an answer of "+c.server+" ends too early, or is too large to read", otherService)
	case mentions("failed to decode", "invalid character", "unexpected end of JSON", "invalid response Content-Type"):
		return fail(
			CodeNotRegistry, c.server+" answers with something other than the JSON of a registry", otherService,
		)
	case mentions("malformed", "transport connection broken"):
		return fail(CodeNotRegistry, c.server+" answers with something other than HTTP", otherService)
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		text = wrapped.Err.Error()
	}
	return fail(CodeRefusedByIt,
		fmt.Sprintf("the request to %s failed: %s", c.server, Printable(aboutRequest().ReplaceAllString(text, ""))),
		"try again, and see the server's log")
}
