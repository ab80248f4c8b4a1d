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

// ProbeRepositories is the first path segment of repositories that checks push to. They are hidden
// from listings, so only probe identities may use them, and these may use nothing else. Content
// pushed there by other users before this rule existed shows in "packhouse store usage".
const ProbeRepositories = "packhouse-probe"

// State is what the server as a whole allows, regardless of identity.
type State struct {
	DeleteEnabled bool // storage.delete.enabled
	ReadOnly      bool // storage.maintenance.readonly
}

// Policy decides what each identity may do. It is immutable; a reload creates a new one.
type Policy struct {
	open  bool // authentication is off: everyone is an admin
	realm string
	state State
	roles grants
}

// NewPolicy compiles the authentication configuration. It returns an error if a role or a pattern
// is invalid.
func NewPolicy(c config.Auth, s State) (*Policy, error) {
	roles, err := newGrants(c.Htpasswd.Roles, c.Htpasswd.Rules)
	if err != nil {
		return nil, err
	}
	return &Policy{open: c.Method == config.AuthNone, realm: c.Htpasswd.Realm, state: s, roles: roles}, nil
}

// Public reports whether an action needs no authentication.
func (p *Policy) Public(action route.Action) bool {
	r, known := gate[action]
	return known && r.scope == public
}

// Decide grants or denies a request. The error is a *problem.Error: 401 with the realm if
// credentials would help, 403 if not, 405 if the server's configuration rules the action out. If
// the identity may not read the source of a mount, Decide grants the request without the mount, as
// if the blob did not exist there.
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
		g.Role = min(g.Role, Reader) // nothing can be pushed, so reads need not protect content
	}
	if req.Mount != "" && !req.From.IsZero() && p.role(id, req.From) < Reader {
		g.Request.Mount, g.Request.From = "", reference.Repository{}
	}
	return g, nil
}

// possible returns an error if the server's state rules out the effect. Probes may always delete
// what they pushed.
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
	case id.Probe, probes(repo): // hidden from listings, so not for storing anything
		return Nobody
	case p.open:
		return Admin
	case id.Anonymous:
		return Nobody
	}
	return p.roles.in(id.User, repo.String())
}

// AllRead reports whether every user may read a repository, so that its name need not be kept from
// anyone.
func (p *Policy) AllRead(repo reference.Repository) bool {
	return p.open || p.roles.all(repo.String()) >= Reader
}

// highest returns the highest role of an identity in any repository.
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

// visible returns a function that reports whether id may read a repository, for listings and
// mounts. Probe repositories are never visible.
func (p *Policy) visible(id Identity) func(reference.Repository) bool {
	return func(repo reference.Repository) bool { return !probes(repo) && p.role(id, repo) >= Reader }
}

// probes reports whether a repository is one that checks push to.
func probes(repo reference.Repository) bool {
	first, _, _ := strings.Cut(repo.String(), "/")
	return first == ProbeRepositories
}

// grants holds the roles of users in repositories. If several apply, the highest counts.
type grants struct {
	everywhere map[string]Role // by user name
	others     Role            // of all other users
	rules      []rule
}

type rule struct {
	pattern pattern
	users   []string
	role    Role
}

func (r rule) names(user string) bool {
	return slices.Contains(r.users, user) || slices.Contains(r.users, config.EveryUser)
}

// newGrants combines roles and rules. Without rules, every user with a password is a reader. With
// rules, only users named by a rule or role are, because rules that only add access could not
// restrict reading.
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

// all returns the role that every user has in a repository.
func (g grants) all(repo string) Role {
	role := g.others
	for _, r := range g.rules {
		if r.role > role && slices.Contains(r.users, config.EveryUser) && r.pattern.match(repo) {
			role = r.role
		}
	}
	return role
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
