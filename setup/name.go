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
)

// lookup maps names as browsers do (UTS 46, not transitional) before they are resolved.
var lookup = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(true), idna.BidiRule())

// mapping is the same without the rules about characters that host names do not have.
var mapping = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false), idna.BidiRule())

// parseName reads one host name or address and returns it in the form that stands in certificates: lower case, punycode, no brackets. shown
// differs from it where the name is an internationalised one.
func parseName(text string) (name, shown string, err error) {
	text = strings.TrimSpace(text)
	ascii := text
	if international(text) {
		if ascii, err = lookup.ToASCII(text); err != nil { // certgen says in words of its own what is wrong, if mapping does not hide it
			if ascii, err = mapping.ToASCII(text); err != nil {
				ascii = text
			}
		}
	}
	names, err := certgen.ParseNames([]string{ascii})
	if err != nil {
		if bad, ok := errors.AsType[*certgen.NameError](err); ok {
			bad.Name = text // as it was given
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

// misnamed returns the refusal of a text that is not a name. remedy is used if the reason has none of its own.
func misnamed(code string, err error, remedy string) Finding {
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

// excerpt quotes what somebody gave, so that what does not show does; of a long text only the beginning.
func excerpt(text string) string {
	const enough = 40 // characters; more hide what is said about them
	if runes := []rune(text); len(runes) > enough {
		return strconv.Quote(string(runes[:enough]) + "…")
	}
	return strconv.Quote(text)
}

// international tells whether a name is to be mapped to ASCII. Names with characters that do not show are not: mapping would drop them in
// silence.
func international(text string) bool {
	if strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) || r == unicode.ReplacementChar
	}) {
		return false
	}
	return strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII })
}

// canonical returns a name as certificates contain it, or the text itself if it is not a name.
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

// CertNames is what a new certificate will be good for: the host name and every ticked name.
func (a *Answers) CertNames() (certgen.Names, error) {
	names := []string{canonical(a.Hostname)}
	for _, san := range a.SANs {
		if san.Ticked {
			names = append(names, canonical(san.Name))
		}
	}
	return certgen.ParseNames(names)
}

// AddSAN ticks a name, and adds it where it is not offered yet.
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

// Clone is a copy that shares no list with the original.
func (a Answers) Clone() Answers {
	a.SANs, a.Users = slices.Clone(a.SANs), slices.Clone(a.Users)
	a.RemoveUsers, a.NoSANs = slices.Clone(a.RemoveUsers), slices.Clone(a.NoSANs)
	return a
}

// URL is the base URL that clients use, without a slash at the end.
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

// usualPort returns the port that clients use by default.
func usualPort(a *Answers) string {
	if a.TLS == Off {
		return "80"
	}
	return "443"
}

// registry is the host[:port] of a URL, as image references have it.
func registry(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	return u.Host
}
