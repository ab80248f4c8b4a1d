package auth

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"packhouse/server/config"
	"packhouse/server/problem"
	"packhouse/server/reference"
	"packhouse/server/route"
)

// expected says for every action who may, written down a second time and in other words than the gate: "everybody", "signed in", or the
// least role; and with "changes" or "deletes" what the state of the server rules out.
var expected = map[route.Action]string{
	route.Health:         "everybody",
	route.Ping:           "signed in",
	route.PackPing:       "signed in",
	route.BlobRead:       "reader",
	route.ManifestRead:   "reader",
	route.TagList:        "reader",
	route.Referrers:      "reader",
	route.Catalog:        "reader",
	route.PackCatalog:    "reader",
	route.UploadStatus:   "writer",
	route.UploadStart:    "writer changes",
	route.UploadAppend:   "writer changes",
	route.UploadFinish:   "writer changes",
	route.UploadCancel:   "writer changes",
	route.ManifestWrite:  "writer changes",
	route.TagDelete:      "admin deletes",
	route.ManifestDelete: "admin deletes",
	route.BlobDelete:     "admin deletes",

	route.PackTagList:   "reader",
	route.PackRead:      "reader",
	route.PackFile:      "reader",
	route.PackLogo:      "everybody",
	route.PackArchive:   "reader",
	route.PackPush:      "writer changes",
	route.PackTagWrite:  "writer changes",
	route.PackTagDelete: "admin deletes",

	route.PageRoot:         "everybody",
	route.PagePacks:        "reader",
	route.PagePack:         "reader",
	route.PageRepositories: "reader",
	route.PageRepository:   "reader",
	route.PageAsset:        "signed in",
}

// listings are the actions that name no repository.
var listings = []route.Action{route.Health, route.Ping, route.PackPing, route.Catalog, route.PackCatalog, route.PageRoot, route.PagePacks, route.PageRepositories, route.PageAsset}

// actions reads the constants of type Action out of the source of package route, so that a new one cannot be forgotten here.
func actions(t *testing.T) []route.Action {
	t.Helper()
	files, err := filepath.Glob("../route/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var all []route.Action
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Action" {
				return true
			}
			for _, v := range spec.Values {
				text, err := strconv.Unquote(v.(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, route.Action(text))
			}
			return true
		})
	}
	if len(all) < 10 {
		t.Fatalf("only %d actions found: %v", len(all), all)
	}
	return all
}

func repo(t *testing.T, name string) reference.Repository {
	t.Helper()
	r, err := reference.ParseRepository(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// who is a credential state.
type who struct {
	name string
	id   Identity
	role Role // in the repository of the request
	in   bool // has shown who it is
}

func everybody() []who {
	return []who{
		{"anonymous", Identity{Anonymous: true}, Nobody, false},
		{"no grant", Identity{User: "nobody"}, Nobody, true},
		{"reader", Identity{User: "rita"}, Reader, true},
		{"writer", Identity{User: "walter"}, Writer, true},
		{"admin", Identity{User: "admin"}, Admin, true},
		{"probe reader elsewhere", Identity{User: "p", Probe: true, Role: Reader}, Nobody, true},
		{"probe admin elsewhere", Identity{User: "p", Probe: true, Role: Admin}, Nobody, true},
	}
}

// TestGate walks every action × role × credential state × state of the server.
func TestGate(t *testing.T) {
	c := config.Auth{Method: config.AuthHtpasswd, Htpasswd: config.Htpasswd{
		Realm: "r", Roles: config.Roles{Admin: []string{"admin"}, Writer: []string{"walter"}},
		Rules: []config.Rule{{Repositories: "**", Users: []string{"rita"}, Role: "reader"}},
	}}
	for _, action := range actions(t) {
		want, ok := expected[action]
		if _, row := gate[action]; !ok || !row {
			t.Errorf("action %s has no row: in the gate %v, in this test %v", action, row, ok)
			continue
		}
		for _, state := range []State{{DeleteEnabled: true}, {}, {DeleteEnabled: true, ReadOnly: true}, {ReadOnly: true}} {
			p, err := NewPolicy(c, state)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range everybody() {
				t.Run(fmt.Sprintf("%s/%s/%+v", action, w.name, state), func(t *testing.T) {
					req := route.Request{Action: action}
					role := w.role
					if !slices.Contains(listings, action) {
						req.Repository = repo(t, "team/app")
					} else if w.id.Probe {
						role = w.id.Role // the highest anywhere; there is nothing for it to see
					}
					_, err := p.Decide(w.id, req)
					if got, want := status(t, err), wanted(want, w.in, role, state); got != want {
						t.Errorf("%d, want %d", got, want)
					}
				})
			}
		}
	}
	for action := range expected {
		if !slices.Contains(actions(t), action) {
			t.Errorf("%s is not an action any more", action)
		}
	}
}

// wanted is the status that follows from the words; 0: granted.
func wanted(words string, in bool, role Role, s State) int {
	switch {
	case words == "everybody":
		return 0
	case !in:
		return http.StatusUnauthorized
	case words == "signed in":
		return 0
	}
	least, err := ParseRole(strings.Fields(words)[0])
	switch {
	case err != nil:
		panic(err)
	case role < least:
		return http.StatusForbidden
	case s.ReadOnly && (strings.Contains(words, "changes") || strings.Contains(words, "deletes")):
		return http.StatusMethodNotAllowed
	case !s.DeleteEnabled && strings.Contains(words, "deletes"):
		return http.StatusMethodNotAllowed
	}
	return 0
}

func status(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	var p *problem.Error
	if !errors.As(err, &p) {
		t.Fatalf("not a refusal: %v", err)
	}
	if p.Status == http.StatusUnauthorized && p.Header.Get("WWW-Authenticate") == "" {
		t.Error("401 without a realm")
	}
	return p.Status
}

// TestGateRefusesTheUnnamed: what the gate does not name is refused, even to an admin and with authentication off.
func TestGateRefusesTheUnnamed(t *testing.T) {
	for _, c := range []config.Auth{{Method: config.AuthNone}, {Method: config.AuthHtpasswd, Htpasswd: config.Htpasswd{Roles: config.Roles{Admin: []string{"admin"}}}}} {
		p, err := NewPolicy(c, State{DeleteEnabled: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, req := range []route.Request{{Action: "invented"}, {}, {Action: route.BlobRead}} {
			if _, err := p.Decide(Identity{User: "admin"}, req); status(t, err) != http.StatusForbidden {
				t.Errorf("%+v is allowed: %v", req, err)
			}
		}
	}
}

// TestGateWithoutAuthentication: everybody may do what an admin may.
func TestGateWithoutAuthentication(t *testing.T) {
	p, err := NewPolicy(config.Auth{Method: config.AuthNone}, State{DeleteEnabled: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, action := range actions(t) {
		g, err := p.Decide(Identity{Anonymous: true}, route.Request{Action: action, Repository: repo(t, "a")})
		if err != nil {
			t.Errorf("%s: %v", action, err)
		}
		if gate[action].scope != public && g.Role != Admin {
			t.Errorf("%s: role %s", action, g.Role)
		}
	}
}

func TestRoles(t *testing.T) {
	rules := []config.Rule{
		{Repositories: "team-a/**", Users: []string{"ann", "ci"}, Role: "writer"},
		{Repositories: "team-a/secret", Users: []string{"bob"}, Role: "admin"},
		{Repositories: "*/base", Users: []string{"*"}, Role: "reader"},
		{Repositories: "team-a/lib", Users: []string{"ann"}, Role: "reader"}, // less than another grant: changes nothing
	}
	everyone := []config.Rule{{Repositories: config.EveryRepository, Users: []string{config.EveryUser}, Role: "writer"}}
	roles := config.Roles{Admin: []string{"admin"}, Writer: []string{"walter"}}
	for _, tc := range []struct {
		rules      []config.Rule
		user, repo string
		want       Role
	}{
		{nil, "admin", "x", Admin},
		{nil, "walter", "x", Writer},
		{nil, "anybody", "x", Reader},
		{rules, "admin", "x", Admin},
		{rules, "walter", "team-a/app", Writer},
		{rules, "ann", "team-a", Writer},
		{rules, "ann", "team-a/app", Writer},
		{rules, "ann", "team-a/deep/down/app", Writer},
		{rules, "ann", "team-a/lib", Writer},
		{rules, "ann", "team-ab", Nobody},
		{rules, "ann", "team-ab/app", Nobody},
		{rules, "ann", "x/team-a/app", Nobody},
		{rules, "bob", "team-a/secret", Admin},
		{rules, "bob", "team-a/secret/more", Nobody},
		{rules, "bob", "team-b/base", Reader},
		{rules, "bob", "base", Nobody},
		{rules, "anybody", "team-b/base", Reader},
		{rules, "anybody", "team-b/app", Nobody},
		{everyone, "anybody", "team-b/app", Writer},
		{everyone, "admin", "team-b/app", Admin},
	} {
		g, err := newGrants(roles, tc.rules)
		if err != nil {
			t.Fatal(err)
		}
		if got := g.in(tc.user, tc.repo); got != tc.want {
			t.Errorf("%s in %s (%d rules): %s, want %s", tc.user, tc.repo, len(tc.rules), got, tc.want)
		}
		if got := byAccess(t, config.Htpasswd{Roles: roles, Rules: tc.rules}, tc.user, tc.repo); got != tc.want {
			t.Errorf("%s in %s (%d rules): %s by Access, want %s", tc.user, tc.repo, len(tc.rules), got, tc.want)
		}
	}
}

// byAccess returns the role of a user in a repository as [config.Htpasswd.Access] describes it.
func byAccess(t *testing.T, h config.Htpasswd, user, repo string) Role {
	t.Helper()
	parse := func(name string) Role {
		role, err := ParseRole(name)
		if err != nil {
			t.Fatal(err)
		}
		return role
	}
	everywhere, further := h.Access(user)
	highest := Nobody
	if everywhere != "" {
		highest = parse(everywhere)
	}
	for _, r := range further {
		pat, err := parsePattern(r.Repositories)
		if err != nil {
			t.Fatal(err)
		}
		if pat.match(repo) {
			highest = max(highest, parse(r.Role))
		}
	}
	return highest
}

func TestPolicyRefusesBadRules(t *testing.T) {
	for _, r := range []config.Rule{
		{Repositories: "a/**", Role: "owner"},
		{Repositories: "", Role: "reader"},
		{Repositories: "a//b", Role: "reader"},
		{Repositories: "a**", Role: "reader"},
		{Repositories: "a/[", Role: "reader"},
		{Repositories: "/a", Role: "reader"},
	} {
		if _, err := NewPolicy(config.Auth{Htpasswd: config.Htpasswd{Rules: []config.Rule{r}}}, State{}); err == nil {
			t.Errorf("%+v is taken", r)
		}
	}
}

// TestVisible: listings show what may be read, and nobody sees the repositories of probes.
func TestVisible(t *testing.T) {
	c := config.Auth{Method: config.AuthHtpasswd, Htpasswd: config.Htpasswd{
		Roles: config.Roles{Admin: []string{"admin"}}, Rules: []config.Rule{{Repositories: "team-a/**", Users: []string{"ann"}, Role: "reader"}},
	}}
	p, err := NewPolicy(c, State{})
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"packhouse-probe", "packhouse-probe/x", "packhouse-probes", "team-a/x", "team-ab"}
	for user, want := range map[string][]string{"admin": {"packhouse-probes", "team-a/x", "team-ab"}, "ann": {"team-a/x"}} {
		g, err := p.Decide(Identity{User: user}, route.Request{Action: route.Catalog})
		if err != nil {
			t.Fatal(err)
		}
		var seen []string
		for _, name := range all {
			if g.Visible(repo(t, name)) {
				seen = append(seen, name)
			}
		}
		if !slices.Equal(seen, want) {
			t.Errorf("%s sees %v, want %v", user, seen, want)
		}
	}
}

// TestMountSource: a source that may not be read looks like a blob that is not there.
func TestMountSource(t *testing.T) {
	c := config.Auth{Method: config.AuthHtpasswd, Htpasswd: config.Htpasswd{Rules: []config.Rule{{Repositories: "mine/**", Users: []string{"ann"}, Role: "writer"}}}}
	p, err := NewPolicy(c, State{})
	if err != nil {
		t.Fatal(err)
	}
	const d = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for from, kept := range map[string]bool{"mine/other": true, "theirs/app": false, "packhouse-probe/x": false} {
		g, err := p.Decide(Identity{User: "ann"}, route.Request{Action: route.UploadStart, Repository: repo(t, "mine/app"), Mount: d, From: repo(t, from)})
		if err != nil {
			t.Fatal(err)
		}
		if got := g.Request.Mount == d && !g.Request.From.IsZero(); got != kept || (!kept && !g.Request.From.IsZero()) {
			t.Errorf("mount from %s is kept: %v, want %v (%+v)", from, got, kept, g.Request)
		}
	}
}

// TestProbeIdentity: its role counts below packhouse-probe and nowhere else.
func TestProbeIdentity(t *testing.T) {
	for _, method := range []string{config.AuthHtpasswd, config.AuthNone} {
		p, err := NewPolicy(config.Auth{Method: method}, State{DeleteEnabled: true})
		if err != nil {
			t.Fatal(err)
		}
		id := Identity{User: "packhouse-probe-1", Probe: true, Role: Writer}
		for name, want := range map[string]int{"packhouse-probe/x": 0, "packhouse-probe": 0, "packhouse-probes/x": 403, "app": 403} {
			if _, err := p.Decide(id, route.Request{Action: route.UploadStart, Repository: repo(t, name)}); status(t, err) != want {
				t.Errorf("auth %s, %s: %v, want %d", method, name, err, want)
			}
		}
		if _, err := p.Decide(id, route.Request{Action: route.BlobDelete, Repository: repo(t, "packhouse-probe/x")}); status(t, err) != 403 {
			t.Error("a probing writer may delete")
		}
	}
}

// TestProbeRepositoriesAreReserved: no action reaches them for anybody but a probe identity, with authentication off either.
func TestProbeRepositoriesAreReserved(t *testing.T) {
	const d = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for _, method := range []string{config.AuthHtpasswd, config.AuthNone} {
		c := config.Auth{Method: method, Htpasswd: config.Htpasswd{
			Roles: config.Roles{Admin: []string{"admin"}, Writer: []string{"walter"}},
			Rules: []config.Rule{{Repositories: "packhouse-probe/**", Users: []string{"*"}, Role: "admin"}, {Repositories: "**", Users: []string{"*"}, Role: "admin"}},
		}}
		p, err := NewPolicy(c, State{DeleteEnabled: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range everybody() {
			if w.id.Probe {
				continue
			}
			for _, action := range actions(t) {
				if action == route.Health || slices.Contains(listings, action) {
					continue
				}
				for _, name := range []string{"packhouse-probe", "packhouse-probe/x", "packhouse-probe/spectro-packs/archive/nginx"} {
					if _, err := p.Decide(w.id, route.Request{Action: action, Repository: repo(t, name)}); err == nil {
						t.Errorf("auth %s: %s may %s in %s", method, w.name, action, name)
					}
				}
			}
			if method == config.AuthHtpasswd && w.id.Anonymous {
				continue
			}
			g, err := p.Decide(w.id, route.Request{Action: route.UploadStart, Repository: repo(t, "a"), Mount: d, From: repo(t, "packhouse-probe/x")})
			if err != nil || g.Request.Mount != "" || !g.Request.From.IsZero() {
				t.Errorf("auth %s: %s mounts from there: %+v, %v", method, w.name, g.Request, err)
			}
			if g.Visible(repo(t, "packhouse-probe/x")) {
				t.Errorf("auth %s: %s sees it", method, w.name)
			}
		}
	}
}

// TestReadOnlyGrant: where nothing can be pushed nobody reads as one who might.
func TestReadOnlyGrant(t *testing.T) {
	p, err := NewPolicy(config.Auth{Method: config.AuthNone}, State{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	g, err := p.Decide(Identity{Anonymous: true}, route.Request{Action: route.BlobRead, Repository: repo(t, "a")})
	if err != nil || g.CanPush() {
		t.Errorf("can push %v, error %v", g.CanPush(), err)
	}
}

func TestPatterns(t *testing.T) {
	for pattern, names := range map[string]map[string]bool{
		"**":        {"a": true, "a/b/c": true},
		"*":         {"a": true, "a/b": false},
		"a/**":      {"a": true, "a/b": true, "a/b/c": true, "ab": false, "b/a": false},
		"**/a":      {"a": true, "b/a": true, "c/b/a": true, "a/b": false},
		"a/**/b":    {"a/b": true, "a/x/b": true, "a/x/y/b": true, "a/b/c": false, "a/bb": false},
		"a/**/b/**": {"a/x/b/c": true, "a/b": true, "a/c": false},
		"te?m-*/x":  {"team-a/x": true, "team/x": false, "team-a/b/x": false},
		"**/**":     {"a": true, "a/b": true},
	} {
		p, err := parsePattern(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range slices.Sorted(maps.Keys(names)) {
			if got := p.match(name); got != names[name] {
				t.Errorf("%s matches %s: %v", pattern, name, got)
			}
		}
	}
}

// FuzzPattern: matching ends, and every name matches itself and "**".
func FuzzPattern(f *testing.F) {
	f.Add("a/**/b", "a/x/b")
	f.Add("**/**/**/x", "a/a/a/a/a/a/a")
	f.Add(os.DevNull, "..")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		p, err := parsePattern(pattern)
		if err != nil {
			return
		}
		p.match(name)
		if r, err := reference.ParseRepository(name); err == nil {
			own, err := parsePattern(r.String())
			if err != nil || !own.match(name) {
				t.Errorf("%q does not match itself: %v", name, err)
			}
		}
	})
}
