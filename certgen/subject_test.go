package certgen

import (
	"crypto/x509/pkix"
	"reflect"
	"strings"
	"testing"
)

func TestParseSubject(t *testing.T) {
	for in, want := range map[string]pkix.Name{
		"":                       {},
		"C=DE":                   {Country: []string{"DE"}},
		"c=de, o = Example GmbH": {Country: []string{"DE"}, Organization: []string{"Example GmbH"}},
		"C=DE,ST=Berlin,L=Köln,O=Example,OU=Platform,OU=Registry": {
			Country: []string{"DE"}, Province: []string{"Berlin"}, Locality: []string{"Köln"}, Organization: []string{"Example"}, OrganizationalUnit: []string{"Platform", "Registry"},
		},
		`O=Example\, Inc.,OU=a\\b=c`: {Organization: []string{"Example, Inc."}, OrganizationalUnit: []string{`a\b=c`}},
		"C=,ST=,L=,O=,OU=":           {},
	} {
		got, err := ParseSubject(in)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ParseSubject(%q) = %+v, %v", in, got, err)
		}
	}
}

func TestParseSubjectRefuses(t *testing.T) {
	for in, says := range map[string]string{
		"C=DEU":                          "C is",
		"C=1A":                           "C is",
		"C=ß!":                           "C is",
		"DE":                             "part 1",
		"C=DE,,O=x":                      "part 2",
		"O=Example, Inc.":                "part 2",
		"CN=x":                           "CN",
		"C=DE,emailAddress=a@b":          "EMAILADDRESS",
		"O=a,O=b":                        "O is given twice",
		"/C=DE/O=x":                      "openssl",
		`O=a\`:                           "part 1",
		`O=a\n`:                          "part 1",
		"O=a\u202eb":                     "O holds the invisible character U+202E",
		"L=a\tb":                         "L holds the control character U+0009",
		"O=a\xff":                        "O holds bytes",
		"O=" + strings.Repeat("x", 65):   "O has 65",
		"ST=" + strings.Repeat("é", 129): "ST has 129",
	} {
		if _, err := ParseSubject(in); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("ParseSubject(%q) = %v, want it to say %q", in, err, says)
		}
	}
}

func FuzzParseSubject(f *testing.F) {
	for _, s := range []string{"C=DE,ST=Berlin,L=Berlin,O=Example GmbH,OU=a,OU=b", `O=a\,b\\`, "C=,O=", "/C=DE", "=", ",", `\`, "O=\u00a0x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := ParseSubject(s)
		if err != nil {
			return
		}
		again, err := ParseSubject(FormatSubject(name))
		if err != nil || !reflect.DeepEqual(again, name) {
			t.Errorf("%q is %+v, written %q and read again %+v, %v", s, name, FormatSubject(name), again, err)
		}
	})
}
