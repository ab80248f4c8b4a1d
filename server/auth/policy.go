package auth

import (
	"fmt"
	"slices"
	"strings"

	"packhouse/server/config"
	"packhouse/server/problem"
	"packhouse/server/reference"
	"packhouse/server/route"
)

// ProbeRepositories is the first path segment of the repositories that checks push to. They appear in no
// listing, so only probe identities may use them, and these may use nothing else. Content that another
// user pushed there before this rule shows in "packhouse store usage".
const ProbeRepositories = "packhouse-probe"

// State is what the server as a whole allows, whoever asks.
type State struct {
	DeleteEnabled bool // storage.delete.enabled
	ReadOnly      bool // storage.maintenance.readonly
}

// Policy decides what each identity may do. It never changes; a reload makes a new one.
type Policy struct {
	open  bool // authentication is off: everybody is an admin
	realm string
	state State
	roles grants
}

// NewPolicy compiles the configuration of authentication into a policy. It fails on a role or a pattern that does not parse.
func NewPolicy(c config.Auth, s State) (*Policy, error) {
	roles, err := newGrants(c.Htpasswd.Roles, c.Htpasswd.Rules)
	if err != nil {
		return nil, err
	}
	return &Policy{open: c.Method == config.AuthNone, realm: c.Htpasswd.Realm, state: s, roles: roles}, nil
}

// Public tells whether an action is open to everybody, so that nobody needs to be asked who they are.
func (p *Policy) Public(action route.Action) bool {
	r, known := gate[action]
	return known && r.scope == public
}

// Decide grants or refuses a request. The error is a *problem.Error: 401 with the realm where credentials would help, 403 where they do not,
// 405 for what this server does for nobody. The granted request is the one asked for, but that a mount from a repository which the identity
// may not read has lost its source: to the client it looks as if the blob were not there.
func (p *Policy) Decide(id Identity, req route.Request) (Grant, error) {
	r, known := gate[req.Action]
	if !known {
		return Grant{}, denied(req)
	}
	g := Grant{Request: req, Identity: id, Visible: p.visible(id)}
	if r.scope == public {
		if probes(req.Repository) {
			return Grant{}, denied(req)
		}
		return g, nil
	}
	if id.Anonymous && !p.open {
		return Grant{}, problem.Authenticate(p.realm)
	}
	switch r.scope {
	case repository:
		if req.Repository.IsZero() {
			return Grant{}, denied(req)
		}
		g.Role = p.role(id, req.Repository)
	default:
		g.Role = p.highest(id)
	}
	if g.Role < r.role {
		return Grant{}, denied(req)
	}
	if err := p.possible(id, r.effect); err != nil {
		return Grant{}, err
	}
	if p.state.ReadOnly {
		g.Role = min(g.Role, Reader) // nothing is pushed, so nothing has to be kept for a push
	}
	if req.Mount != "" && !req.From.IsZero() && p.role(id, req.From) < Reader {
		g.Request.Mount, g.Request.From = "", reference.Repository{}
	}
	return g, nil
}

// possible returns an error for what the state of the server rules out. A probe always removes what it pushed.
func (p *Policy) possible(id Identity, e effect) error {
	switch {
	case e != reads && p.state.ReadOnly:
		return problem.ReadOnly()
	case e == deletes && !p.state.DeleteEnabled && !id.Probe:
		return problem.NoDeletion()
	}
	return nil
}

// role returns the role of an identity in a repository.
func (p *Policy) role(id Identity, repo reference.Repository) Role {
	switch {
	case id.Probe && probes(repo):
		return id.Role
	case id.Probe, probes(repo): // hidden from listings, so no place to store anything
		return Nobody
	case p.open:
		return Admin
	case id.Anonymous:
		return Nobody
	}
	return p.roles.in(id.User, repo.String())
}

// highest returns the most an identity is anywhere.
func (p *Policy) highest(id Identity) Role {
	switch {
	case id.Probe:
		return id.Role
	case p.open:
		return Admin
	case id.Anonymous:
		return Nobody
	}
	return p.roles.highest(id.User)
}

// visible returns what listings and mounts ask: whether a repository may be read, and is no probe's.
func (p *Policy) visible(id Identity) func(reference.Repository) bool {
	return func(repo reference.Repository) bool { return !probes(repo) && p.role(id, repo) >= Reader }
}

// probes tells whether a repository is one of those that checks push to.
func probes(repo reference.Repository) bool {
	first, _, _ := strings.Cut(repo.String(), "/")
	return first == ProbeRepositories
}

// grants is who has which role where: a union, the highest grant counts.
type grants struct {
	everywhere map[string]Role // of named users
	others     Role            // of everybody else who has a password
	rules      []rule
}

// everyUser in a rule stands for everybody who has a password.
const everyUser = "*"

type rule struct {
	pattern pattern
	users   []string
	role    Role
}

func (r rule) names(user string) bool {
	return slices.Contains(r.users, user) || slices.Contains(r.users, everyUser)
}

// newGrants puts roles and rules together. Without rules everybody who has a password reads; with rules only those read whom a rule or a
// role names, because rules that could only add would keep nothing from anybody.
func newGrants(roles config.Roles, rules []config.Rule) (grants, error) {
	g := grants{everywhere: map[string]Role{}}
	if len(rules) == 0 {
		g.others = Reader
	}
	for _, user := range roles.Writer {
		g.everywhere[user] = Writer
	}
	for _, user := range roles.Admin {
		g.everywhere[user] = Admin
	}
	for _, r := range rules {
		role, err := ParseRole(r.Role)
		if err != nil {
			return grants{}, fmt.Errorf("read rule for %q: %w", r.Repositories, err)
		}
		pat, err := parsePattern(r.Repositories)
		if err != nil {
			return grants{}, fmt.Errorf("read rule: %w", err)
		}
		g.rules = append(g.rules, rule{pattern: pat, users: r.Users, role: role})
	}
	return g, nil
}

func (g grants) in(user, repo string) Role {
	role := max(g.others, g.everywhere[user])
	for _, r := range g.rules {
		if r.role > role && r.names(user) && r.pattern.match(repo) {
			role = r.role
		}
	}
	return role
}

func (g grants) highest(user string) Role {
	role := max(g.others, g.everywhere[user])
	for _, r := range g.rules {
		if r.role > role && r.names(user) {
			role = r.role
		}
	}
	return role
}
