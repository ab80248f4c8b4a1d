package registry

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"packhouse/server/manifest"
	"packhouse/server/problem"
)

// checkURLs returns an error if MayReferTo refuses a URL in any descriptor of a manifest. Clients would fetch layers from
// that server.
func (g *Registry) checkURLs(m *manifest.Manifest) error {
	if g.o.MayReferTo == nil {
		return nil
	}
	descriptors := append(append([]manifest.Descriptor{}, m.Layers...), m.Manifests...)
	if m.Config != nil {
		descriptors = append(descriptors, *m.Config)
	}
	if m.Subject != nil {
		descriptors = append(descriptors, *m.Subject)
	}
	for _, d := range descriptors {
		for _, u := range d.URLs {
			if err := g.o.MayReferTo(u); err != nil {
				return problem.New(http.StatusBadRequest, problem.ManifestInvalid, "the manifest refers to a URL that this registry does not allow: %s", err).
					About(map[string]string{"digest": d.Digest.String(), "url": u})
			}
		}
	}
	return nil
}

var (
	errNotWeb     = errors.New("it is not an http or https URL without a fragment")
	errNotAllowed = errors.New("validation.manifests.urls.allow does not match it")
	errDenied     = errors.New("validation.manifests.urls.deny matches it")
)

// URLRule returns the rule of CNCF distribution for URLs in manifests: http or https without a
// fragment, matched by one expression of allow if there are any, and by none of deny.
func URLRule(allow, deny []string) (func(string) error, error) {
	allowed, err := anyOf(allow)
	if err != nil {
		return nil, err
	}
	denied, err := anyOf(deny)
	if err != nil {
		return nil, err
	}
	return func(text string) error {
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Fragment != "":
			return errNotWeb
		case allowed != nil && !allowed.MatchString(text):
			return errNotAllowed
		case denied != nil && denied.MatchString(text):
			return errDenied
		}
		return nil
	}, nil
}

// anyOf returns an expression that matches whatever one of the expressions matches, or nil if there are none.
func anyOf(expressions []string) (*regexp.Regexp, error) {
	if len(expressions) == 0 {
		return nil, nil
	}
	return regexp.Compile("(?:" + strings.Join(expressions, ")|(?:") + ")")
}
