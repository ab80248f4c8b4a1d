package setup

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/idna"

	"packhouse/certgen"
	"packhouse/finding"
)

// lookup maps names as browsers do (UTS 46, not transitional) before they are resolved.
var lookup = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(true), idna.BidiRule())

// mapping is lookup without the restriction to characters of host names.
var mapping = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false), idna.BidiRule())

// parseName parses a host name or address and returns it as in certificates: lower case, punycode,
// no brackets. shown is the original form of an internationalized name, otherwise the same.
func parseName(text string) (name, shown string, err error) {
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

// misnamed returns the refusal of a text that is not a name. remedy is used if err has none of its
// own.
func misnamed(code string, err error, remedy string) finding.Finding {
	bad, ok := errors.AsType[*certgen.NameError](err)
	if !ok {
		return refused(code, err.Error(), remedy)
	}
	reason, advice, found := strings.Cut(bad.Reason, ": ")
	if found {
		remedy = advice
	}
	between := ": "
	if verb, _, _ := strings.Cut(reason, " "); slices.Contains([]string{"is", "holds", "has", "means", "looks"}, verb) {
		between = " "
	}
	return refused(code, excerpt(bad.Name)+between+reason, remedy)
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
		return unicode.IsControl(r) || unicode.IsSpace(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) || r == unicode.ReplacementChar
	}) {
		return false
	}
	return strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII })
}

// canonical returns a name as in certificates, or the text itself if it is not a name.
func canonical(text string) string {
	if name, _, err := parseName(text); err == nil {
		return name
	}
	return strings.TrimSpace(text)
}

// isAddress reports whether a host is an IP address.
func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// CertNames returns the names of a new certificate: the host name and all checked SANs.
func (a *Answers) CertNames() (certgen.Names, error) {
	names := []string{canonical(a.Hostname)}
	for _, san := range a.SANs {
		if san.Ticked {
			names = append(names, canonical(san.Name))
		}
	}
	return certgen.ParseNames(names)
}

// AddSAN checks a name, and adds it if it is not in the list.
func (a *Answers) AddSAN(name, origin string) {
	name = canonical(name)
	for i := range a.SANs {
		if canonical(a.SANs[i].Name) == name {
			a.SANs[i].Ticked = true
			return
		}
	}
	a.SANs = append(a.SANs, SAN{Name: name, Ticked: true, Origin: origin})
}

// Clone returns a deep copy.
func (a Answers) Clone() Answers {
	a.SANs, a.Users = slices.Clone(a.SANs), slices.Clone(a.Users)
	a.RemoveUsers, a.NoSANs = slices.Clone(a.RemoveUsers), slices.Clone(a.NoSANs)
	return a
}

// URL returns the base URL for clients, without a trailing slash.
func (a *Answers) URL() string {
	if a.PublicURL != "" {
		return strings.TrimRight(a.PublicURL, "/")
	}
	scheme, usual := "https", usualPort(a)
	if a.TLS == Off {
		scheme = "http"
	}
	_, port, err := net.SplitHostPort(a.Addr)
	host := canonical(a.Hostname)
	if err != nil || port == usual {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return scheme + "://" + host
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// usualPort returns the default port of the scheme that clients use.
func usualPort(a *Answers) string {
	if a.TLS == Off {
		return "80"
	}
	return "443"
}

// registry returns host[:port] of a URL, as in image references.
func registry(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	return u.Host
}
