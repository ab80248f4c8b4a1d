package certgen

import (
	"crypto/x509/pkix"
	"fmt"
	"strings"
	"unicode/utf8"
)

// subjectPart is one attribute of a distinguished name that may be given, with its upper bound in characters (RFC 5280, appendix A.1).
type subjectPart struct {
	key   string
	bound int
	field func(*pkix.Name) *[]string
}

// subjectParts are in output order.
var subjectParts = [...]subjectPart{
	{"C", 2, func(n *pkix.Name) *[]string { return &n.Country }},
	{"ST", 128, func(n *pkix.Name) *[]string { return &n.Province }},
	{"L", 128, func(n *pkix.Name) *[]string { return &n.Locality }},
	{"O", 64, func(n *pkix.Name) *[]string { return &n.Organization }},
	{"OU", 64, func(n *pkix.Name) *[]string { return &n.OrganizationalUnit }},
}

// ParseSubject reads "C=DE,ST=Berlin,L=Berlin,O=Example GmbH,OU=Platform": any of these parts, in any order, OU more than once. A part
// without a value is left out. A comma inside a value is written "\,", a backslash "\\". Errors name the part.
func ParseSubject(s string) (pkix.Name, error) {
	var name pkix.Name
	if strings.TrimSpace(s) == "" {
		return name, nil
	}
	if strings.HasPrefix(strings.TrimSpace(s), "/") {
		return pkix.Name{}, fmt.Errorf("parse subject: %+q is in the form of openssl: separate the parts by commas, as in C=DE,O=Example", s)
	}
	parts, err := splitSubject(s)
	if err != nil {
		return pkix.Name{}, err
	}
	for i, part := range parts {
		if err := addSubjectPart(&name, i+1, part); err != nil {
			return pkix.Name{}, err
		}
	}
	return name, nil
}

// FormatSubject writes a name so that ParseSubject reads it back. It leaves out fields that ParseSubject does not know, such as the common name.
func FormatSubject(n pkix.Name) string {
	escape := strings.NewReplacer(`\`, `\\`, `,`, `\,`)
	var parts []string
	for _, p := range subjectParts {
		for _, v := range *p.field(&n) {
			parts = append(parts, p.key+"="+escape.Replace(v))
		}
	}
	return strings.Join(parts, ",")
}

func addSubjectPart(name *pkix.Name, number int, part string) error {
	key, value, ok := strings.Cut(part, "=")
	key, value = strings.ToUpper(strings.TrimSpace(key)), strings.TrimSpace(value)
	if !ok {
		return fmt.Errorf("parse subject: part %d, %+q, has no =: write it as O=Example; a comma inside a value is written \\,", number, part)
	}
	if key == "CN" {
		return fmt.Errorf("parse subject: part %d is CN: leave it out, the common name follows from the host name", number)
	}
	for _, p := range subjectParts {
		if p.key != key {
			continue
		}
		if value == "" {
			return nil
		}
		if key == "C" {
			value = strings.ToUpper(value)
		}
		if err := checkSubjectValue(p, value); err != nil {
			return err
		}
		values := p.field(name)
		if len(*values) > 0 && key != "OU" {
			return fmt.Errorf("parse subject: %s is given twice", key)
		}
		*values = append(*values, value)
		return nil
	}
	return fmt.Errorf("parse subject: part %d, %+q, is none of C, ST, L, O, OU", number, key)
}

func checkSubjectValue(p subjectPart, value string) error {
	for _, r := range value {
		if r == ' ' {
			continue
		}
		if reason := invisible(string(r)); reason != "" {
			return fmt.Errorf("parse subject: %s %s", p.key, reason)
		}
	}
	if p.key == "C" {
		if len(value) != 2 || strings.Trim(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return fmt.Errorf("parse subject: C is %+q: give the two letters of a country, as in DE", value)
		}
		return nil
	}
	if n := utf8.RuneCountInString(value); n > p.bound {
		return fmt.Errorf("parse subject: %s has %d characters, %d are allowed", p.key, n, p.bound)
	}
	return nil
}

// splitSubject cuts at commas that are not escaped and takes the escapes out. Spaces around a part stay for the caller to trim.
func splitSubject(s string) ([]string, error) {
	var parts []string
	var part strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\\':
			i++
			if i == len(s) || (s[i] != ',' && s[i] != '\\' && s[i] != '=') {
				return nil, fmt.Errorf("parse subject: part %d has a backslash that escapes nothing: write \\\\ for a backslash, \\, for a comma", len(parts)+1)
			}
			part.WriteByte(s[i])
		case ',':
			parts = append(parts, part.String())
			part.Reset()
		default:
			part.WriteByte(c)
		}
	}
	return append(parts, part.String()), nil
}
