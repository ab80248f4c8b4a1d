package plan

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"packhouse/certgen"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/question"
	"packhouse/templates"
)

// Card explains to users how to use the registry. It contains no password.
type Card struct {
	URL         string       `json:"url"`      // URL for clients: "https://registry.example.com:5000"
	Registry    string       `json:"registry"` // host[:port] for image references
	Local       string       `json:"local"`    // host[:port] that works on this machine; the commands use it
	User        string       `json:"user"`     // the first admin
	Password    string       `json:"password"` // where it is stored, never the password itself: "in /etc/packhouse/initial-passwords"
	Users       []setup.User `json:"-"`
	CAFile      string       `json:"caFile,omitempty"`        // the certificate for clients to trust; empty: none needed
	Fingerprint string       `json:"fingerprint,omitempty"`   // SHA-256 of the server's certificate
	TrustPrint  string       `json:"caFingerprint,omitempty"` // SHA-256 of the first certificate in CAFile
	Handoff     string       `json:"handoff"`                 // path of handoff.md
	Config      string       `json:"config"`                  // path of myconfig.yml
	Service     string       `json:"service,omitempty"`       // the unit that runs the server; empty: started manually
	MoveCAKey   *Command     `json:"moveCAKey,omitempty"`     // moves ca.key out of the installation; nil: not there
	Commands    []Command    `json:"commands"`                // they run as printed, and prompt for the password
}

// Command is a shell command.
type Command struct {
	Title string `json:"title"` // "curl", "oras", "docker"
	Line  string `json:"line"`
}

// rights returns the role of a user, and those that rules of the configuration give: "reader; writer
// of team-b/** by a rule".
func (b *builder) rights(u setup.User) string {
	everywhere, further := b.config.Config.Auth.Htpasswd.Access(u.Name)
	rights := []string{cmp.Or(everywhere, "no role")}
	for _, r := range further {
		rights = append(rights, fmt.Sprintf("%s of %s by a rule", r.Role, r.Repositories))
	}
	return strings.Join(rights, "; ")
}

// handoff returns the content of handoff.md. It depends only on the answers and the certificate, so
// that a second run returns the same.
func (b *builder) handoff(leaf *x509.Certificate, trust []byte) ([]byte, error) {
	a := &b.answers
	h := templates.Handoff{
		URL: a.URL(), Registry: machine.Registry(a.URL()), Admin: firstAdmin(a), Passwords: b.path(installation.PasswordsFile), TLS: a.TLS != setup.Off,
		Config: b.path(installation.ConfigFile), Dir: b.dir, InMemory: a.Storage == config.InMemory,
	}
	for _, u := range a.Users {
		h.Users = append(h.Users, templates.HandoffUser{Name: u.Name, Role: b.rights(u)})
	}
	if _, port, err := net.SplitHostPort(a.Addr); err == nil && !config.Local("tcp", a.Addr) {
		h.Port = port
	}
	if leaf != nil {
		info := certgen.Inspect(leaf)
		h.Names, h.Until = info.Names.Strings(), installation.Day(info.NotAfter)
		b.plan.leaf = leaf
	}
	if len(trust) > 0 {
		chain, err := certgen.ParseChain(trust)
		if err != nil {
			return nil, err
		}
		h.CAPEM, h.Fingerprint, h.CAFile = string(trust), certgen.Fingerprint(chain[0]), b.trustFile()
		b.plan.trust, b.plan.trustFile = chain, h.CAFile
	}
	return h.Render()
}

// trustFile returns the certificate file for clients to trust.
func (b *builder) trustFile() string {
	switch b.answers.TLS {
	case setup.PrivateCA:
		return b.path(installation.CACertFile)
	case setup.SelfSigned:
		return b.path(installation.CertFile)
	case setup.Files:
		if b.answers.TLSCA != "" {
			return b.path(installation.OwnCAFile)
		}
		return b.answers.CertFile
	case setup.Off, setup.LetsEncrypt:
	}
	return ""
}

func firstAdmin(a *question.Answers) string {
	if admins := byRole(a, setup.Admin); len(admins) > 0 {
		return admins[0]
	}
	return ""
}

// Handoff returns the card of an installation. If the host name does not resolve to this machine,
// the commands use a name or address of the certificate that does. If m is nil, they use those of
// clients.
func Handoff(ctx context.Context, m *machine.Machine, p *Plan) Card {
	a := &p.Resolved.Answers
	c := Card{
		URL: a.URL(), User: firstAdmin(a), Users: slices.Clone(a.Users), CAFile: p.trustFile,
		Handoff: filepath.Join(p.Dir, installation.HandoffFile), Config: filepath.Join(p.Dir, installation.ConfigFile),
	}
	for i := range c.Users {
		c.Users[i].Password = ""
	}
	c.Registry = machine.Registry(c.URL)
	c.Local = c.Registry
	if m != nil {
		c.Local = p.local(ctx, m)
	}
	if p.leaf != nil {
		c.Fingerprint = certgen.Fingerprint(p.leaf)
	}
	if len(p.trust) > 0 && c.CAFile != "" {
		c.TrustPrint = certgen.Fingerprint(p.trust[0])
	}
	if a.Service == setup.Systemd {
		c.Service = setup.Unit
	}
	c.Password = p.passwordPlace(c.User)
	c.Commands = c.commands(a.TLS)
	c.MoveCAKey = CAKeyAdvice(p.Dir)
	return c
}

// Where a password is stored, as text for users.
const (
	PasswordShown   = "shown once, when it was generated"
	PasswordGiven   = "as you set it"
	PasswordAsItWas = "as it was before"
)

// passwordPlace describes where a user's password is stored. A password that the plan does not
// change is unknown unless initial-passwords contains it.
func (p *Plan) passwordPlace(user string) string {
	path := filepath.Join(p.Dir, installation.PasswordsFile)
	if c := p.Change(installation.PasswordsFile); c != nil && c.Kind != setup.Remove &&
		installation.PasswordsIn(c.After)[user] != "" {
		return "in " + path
	}
	if slices.ContainsFunc(p.Passwords, func(g Password) bool { return g.User == user }) {
		return PasswordShown
	}
	if u := p.Resolved.Answers.User(user); u != nil &&
		(u.Password != "" || u.Source != setup.Kept && u.Source != setup.Unspecified) {
		return PasswordGiven
	}
	if installation.InitialPasswords(p.Dir)[user] != "" {
		return "in " + path
	}
	return PasswordAsItWas
}

// local returns a host and port that resolves to this machine and matches the certificate.
func (p *Plan) local(ctx context.Context, m *machine.Machine) string {
	a := &p.Resolved.Answers
	host, port, err := net.SplitHostPort(a.Addr)
	if err != nil {
		return machine.Registry(a.URL())
	}
	bound, _ := netip.ParseAddr(host) // invalid: all addresses
	candidates := []string{machine.Canonical(a.Hostname)}
	for _, s := range a.SANs {
		if s.Ticked {
			candidates = append(candidates, machine.Canonical(s.Name))
		}
	}
	if bound.IsValid() && !bound.IsUnspecified() {
		candidates = append(candidates, bound.String())
	}
	candidates = append(candidates, "localhost", "127.0.0.1")
	for _, name := range candidates {
		if (p.leaf == nil || p.leaf.VerifyHostname(name) == nil) && leadsTo(ctx, m, name, bound) {
			if a.TLS != setup.Off && port == "443" && !machine.IsAddress(name) {
				return name
			}
			return net.JoinHostPort(name, port)
		}
	}
	return machine.Registry(a.URL())
}

// leadsTo reports whether a name resolves to the address that the server listens on, or to any
// address of this machine if the server listens on all.
func leadsTo(ctx context.Context, m *machine.Machine, name string, bound netip.Addr) bool {
	addrs := []netip.Addr{}
	if addr, err := netip.ParseAddr(name); err == nil {
		addrs = append(addrs, addr)
	} else {
		ctx, cancel := context.WithTimeout(ctx, question.ResolveTimeout)
		defer cancel()
		if addrs, err = m.Host.LookupHost(ctx, name); err != nil {
			return false
		}
	}
	return slices.ContainsFunc(addrs, func(addr netip.Addr) bool {
		if !bound.IsValid() || bound.IsUnspecified() {
			return m.Has(addr)
		}
		return addr.Unmap() == bound.Unmap()
	})
}

// commands returns commands that work on this machine. They prompt for the password, to keep it out
// of the shell history.
func (c Card) commands(mode setup.TLSMode) []Command {
	scheme, curl, oras, trust := "https", "", "", ""
	host := c.Local
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	switch {
	case mode == setup.Off:
		scheme, oras = "http", " --plain-http"
	case c.CAFile != "":
		curl, oras = " --cacert "+setup.Shell(c.CAFile), " --ca-file "+setup.Shell(c.CAFile)
		trust = "sudo install -D -m 0644 " + setup.Shell(c.CAFile) + " " +
			setup.Shell("/etc/docker/certs.d/"+c.Local+"/ca.crt") + " && "
	}
	if mode != setup.Off && host == "localhost" { // oras uses plain HTTP with this name
		oras += " --plain-http=false"
	}
	base := url.URL{Scheme: scheme, Host: c.Local, Path: "/v2/_catalog"}
	user := setup.Shell(c.User)
	commands := []Command{
		{"curl", fmt.Sprintf("curl%s -u %s %s", curl, user, setup.Shell(base.String()))},
		{"oras", fmt.Sprintf("oras login%s -u %s %s", oras, user, setup.Shell(c.Local))},
		{"push", fmt.Sprintf("echo hello > hello.txt && oras push%s %s hello.txt", oras, setup.Shell(c.Local+"/hello:1"))},
	}
	docker := Command{"docker", fmt.Sprintf("%sdocker login -u %s %s", trust, user, setup.Shell(c.Local))}
	if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); mode == setup.Off && host != "localhost" &&
		(err != nil || !addr.IsLoopback()) {
		docker.Title = fmt.Sprintf("docker, with \"insecure-registries\": [%q] in /etc/docker/daemon.json", c.Local)
	}
	return append(commands, docker)
}
