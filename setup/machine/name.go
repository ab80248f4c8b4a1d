package machine

import (
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/idna"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/setup"
)

// lookup maps names as browsers do (UTS 46, not transitional) before they are resolved.
var lookup = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(true), idna.BidiRule())

// mapping is lookup without the restriction to characters of host names.
var mapping = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false), idna.BidiRule())

// ParseName parses a host name or address and returns it as in certificates: lower case, punycode,
// no brackets. shown is the original form of an internationalized name, otherwise the same.
func ParseName(text string) (name, shown string, err error) {
	text = strings.TrimSpace(text)
	ascii := text
	if international(text) {
		if ascii, err = lookup.ToASCII(text); err != nil { // unless mapping hides the cause, certgen reports a better error
			if ascii, err = mapping.ToASCII(text); err != nil {
				ascii = text
			}
		}
	}
	names, err := certgen.ParseNames([]string{ascii})
	if err != nil {
		if bad, ok := errors.AsType[*certgen.NameError](err); ok {
			bad.Name = text // as entered
		}
		return "", "", err
	}
	name = names.Strings()[0]
	shown = name
	if strings.Contains(name, "xn--") {
		if unicodeForm, err := idna.Lookup.ToUnicode(name); err == nil {
			shown = unicodeForm
		}
	}
	return name, shown, nil
}

// Misnamed returns the refusal of a text that is not a name. remedy is used if err has none of its
// own.
func Misnamed(code string, err error, remedy string) finding.Finding {
	bad, ok := errors.AsType[*certgen.NameError](err)
	if !ok {
		return setup.Refuse(code, err.Error(), remedy)
	}
	reason, advice, found := strings.Cut(bad.Reason, ": ")
	if found {
		remedy = advice
	}
	between := ": "
	if verb, _, _ := strings.Cut(reason, " "); slices.Contains([]string{"is", "holds", "has", "means", "looks"}, verb) {
		between = " "
	}
	return setup.Refuse(code, excerpt(bad.Name)+between+reason, remedy)
}

// excerpt quotes the beginning of user input, with invisible characters escaped.
func excerpt(text string) string {
	const enough = 40 // characters
	if runes := []rune(text); len(runes) > enough {
		return strconv.Quote(string(runes[:enough]) + "…")
	}
	return strconv.Quote(text)
}

// international reports whether a name needs mapping to ASCII. Names with invisible characters do
// not: mapping would silently drop them.
func international(text string) bool {
	if strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) ||
			r == unicode.ReplacementChar
	}) {
		return false
	}
	return strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII })
}

// Canonical returns a name as in certificates, or the text itself if it is not a name.
func Canonical(text string) string {
	if name, _, err := ParseName(text); err == nil {
		return name
	}
	return strings.TrimSpace(text)
}

// IsAddress reports whether a host is an IP address.
func IsAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// Registry returns host[:port] of a URL, as in image references.
func Registry(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	return u.Host
}
