// Package templates holds every text that setup generates: myconfig.yml, the handoff card and the systemd unit.
//
// The templates are the .tmpl files beside this file. They quote their values, so no value can change the structure of a document.
package templates

import (
	"bytes"
	"embed"
	"fmt"
	"strings"
	"sync"
	"text/template"
	"unicode"

	"packhouse/pattern"
	"packhouse/printable"
)

//go:embed *.tmpl
var files embed.FS

var texts = sync.OnceValue(func() *template.Template { // most commands generate no file
	return template.Must(template.New("").Funcs(template.FuncMap{
		"yaml": YAML, "list": list, "join": strings.Join, "unitpath": unitPath, "shell": printable.Shell, "cell": cell,
	}).ParseFS(files, "*.tmpl"))
})

// Config holds the values of myconfig.yml.
type Config struct {
	LogLevel       string
	StoragePath    string // empty: in a bucket or in memory
	S3             *S3    // nil: in a directory or in memory
	Addr           string
	Insecure       bool   // passwords over plain HTTP are confirmed
	Certificate    string // empty: TLS is off
	Key            string
	Realm          string
	HtpasswdPath   string
	Admins         []string
	Writers        []string
	RenewedBySetup bool  // setup makes the certificate, and setup renews it
	ACME           *ACME // the server orders its certificate; nil: it does not
}

// ACME is where a server has its certificate from.
type ACME struct {
	Cache     string // directory, or "storage:" and a folder of the storage
	Shared    bool   // the latter, in a bucket
	Email     string // empty: none
	Hosts     []string
	Directory string // URL; empty: Let's Encrypt
	CAFile    string // of a private directory; empty: none

	EABKeyID, EABKeyFile string // external account; empty: none
}

// Render makes myconfig.yml.
func (c Config) Render() ([]byte, error) { return render("myconfig.yml.tmpl", c) }

// Handoff holds the values of the handoff card, for people and for Palette.
type Handoff struct {
	URL         string // "https://registry.example.com:5000"
	Registry    string // host[:port] of it
	Admin       string
	Users       []HandoffUser
	Passwords   string // path of initial-passwords
	TLS         bool
	CAFile      string // the certificate for clients to trust; empty: they already do
	CAPEM       string
	Fingerprint string // SHA-256 of that certificate
	Names       []string
	Until       string // end of the server's certificate, YYYY-MM-DD
	Config      string // path of myconfig.yml
	Dir         string
	Port        string
	InMemory    bool
}

// HandoffUser is a line of the list of users.
type HandoffUser struct{ Name, Role string }

// ForceHTTPS returns the flag with which oras speaks HTTPS to a registry named localhost, or "".
func (h Handoff) ForceHTTPS() string {
	if host, _, _ := strings.Cut(h.Registry, ":"); h.TLS && host == "localhost" {
		return " --plain-http=false"
	}
	return ""
}

// Render makes handoff.md.
func (h Handoff) Render() ([]byte, error) { return render("handoff.md.tmpl", h) }

func render(name string, data any) ([]byte, error) {
	var b bytes.Buffer
	if err := texts().ExecuteTemplate(&b, name, data); err != nil {
		return nil, fmt.Errorf("render %s: %w", strings.TrimSuffix(name, ".tmpl"), err)
	}
	return b.Bytes(), nil
}

// plain are the scalars that YAML reads as the same string without quotes, in every version of YAML.
var plain = pattern.Lazy(`^(?:/|[A-Za-z][A-Za-z0-9_.-]*/|[A-Za-z])[A-Za-z0-9_./@+-]*$`)

// words are read as something else than a string by YAML 1.1 or 1.2.
var words = pattern.Lazy(`^(?i:y|n|yes|no|on|off|true|false|null)$`)

// YAML writes a string as a YAML scalar: plain where every reader takes it for a string, else in double quotes (YAML 1.2, section 5.7). What
// does not show is escaped, so that no line end of any kind can hide in it; bytes that are not UTF-8 become U+FFFD.
func YAML(s string) string {
	if plain().MatchString(s) && !words().MatchString(s) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == ' ' || unicode.IsPrint(r):
			b.WriteRune(r)
		case r <= 0xFFFF:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// list writes strings as a YAML flow sequence.
func list(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = YAML(v)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
