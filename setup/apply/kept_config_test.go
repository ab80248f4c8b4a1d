package apply

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
	"packhouse/setup/machine/machinetest"
)

// rolesOf returns the role lists of an installation's configuration.
func rolesOf(t *testing.T, dir string) (admins, writers []string) {
	t.Helper()
	in, err := installation.Load(dir)
	if err != nil || in.Config == nil {
		t.Fatal(err, in.Problem)
	}
	return in.Config.Auth.Htpasswd.Roles.Admin, in.Config.Auth.Htpasswd.Roles.Writer
}

// TestRolesAndTheirCommentsStay has roles of users who are not in the htpasswd file, with comments: a change of users or certificates keeps
// both.
func TestRolesAndTheirCommentsStay(t *testing.T) {
	const roles = `    roles:
      # on call
      admin:
        - admin # the team
        - later # hired in May
      writer: # who pushes
        - ci # the builder
        - ghost # their htpasswd line comes from Ansible
        - bob
        # - carol left
`
	for _, tc := range []struct {
		name, want string
		change     answer.Values
	}{
		{"certificate", roles, answer.Values{"rotate-cert": {"true"}}},
		{"reader added", roles, answer.Values{"user": {"r"}}},
		{"reader removed", roles, answer.Values{"remove-user": {"eve"}}},
		{"writer added", strings.Replace(roles, "        - bob\n", "        - bob\n        - w\n", 1), answer.Values{"user": {"w:writer"}}},
		{"writer removed", strings.Replace(roles, "        - bob\n", "", 1), answer.Values{"remove-user": {"bob"}}},
		{"writer to admin", strings.Replace(strings.Replace(roles, "        - bob\n", "", 1), "- later # hired in May\n", "- later # hired in May\n        - bob\n", 1), answer.Values{"user": {"bob:admin"}}},
		{"unknown user added with another role", strings.Replace(roles, "        - ghost # their htpasswd line comes from Ansible\n", "", 1), answer.Values{"user": {"ghost:reader"}}},
		{"another setting", roles, answer.Values{"log-level": {"debug"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
			install(t, m, dir, answer.Values{"user": {"ci:reader", "bob:reader", "eve"}})
			rewrite(t, dir, func(b []byte) []byte {
				before, _, found := strings.Cut(string(b), "    roles:\n")
				if !found {
					before = strings.TrimRight(string(b), "\n") + "\n"
				}
				return []byte(before + roles)
			})
			rolesOf(t, dir)
			install(t, m, dir, tc.change)
			got, err := os.ReadFile(filepath.Join(dir, installation.ConfigFile))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(string(got), tc.want) {
				t.Errorf("%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

// TestJSONStaysJSON writes the configuration as JSON, which YAML includes: each change leaves it valid JSON.
func TestJSONStaysJSON(t *testing.T) {
	for _, indent := range []string{"", "  "} {
		m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
		install(t, m, dir, answer.Values{"user": {"bob:writer"}})
		in, err := installation.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		document := map[string]any{
			"version": 0.1, "log": map[string]any{"level": "info"},
			"storage": map[string]any{
				"filesystem": map[string]any{"rootdirectory": in.Config.Storage.Filesystem.RootDirectory},
			},
			"http": map[string]any{
				"addr": in.Config.HTTP.Addr, "tls": map[string]any{"certificate": in.Config.HTTP.TLS.Certificate, "key": in.Config.HTTP.TLS.Key},
			},
			"auth": map[string]any{"htpasswd": map[string]any{
				"realm": in.Config.Auth.Htpasswd.Realm, "path": in.Config.Auth.Htpasswd.Path, "roles": map[string]any{"writer": []string{"bob", "ghost"}},
			}},
		}
		data, err := json.MarshalIndent(document, "", indent)
		if indent == "" {
			data, err = json.Marshal(document)
		}
		if err != nil {
			t.Fatal(err)
		}
		rewrite(t, dir, func([]byte) []byte { return append(data, '\n') })
		for i, change := range []answer.Values{
			{"user": {"w:writer"}},
			{"rotate-cert": {"true"}},
			{"remove-user": {"bob"}},
			{"user": {"a:admin"}},
			{"realm": {"the <registry> & more"}},
			{"addr": {":5001"}},
			{"log-level": {"debug"}},
			{"user": {"w:reader"}},
			{"tls": {"letsencrypt"}, "acme-email": {"ops@example.com"}, "offline": {"true"}},
			{"tls": {"off"}, "insecure": {"true"}},
			{"tls": {"private-ca"}},
			{"storage": {"inmemory"}, "confirm-inmemory": {"true"}},
		} {
			plan := planFor(t, m, dir, change)
			after := plan.Change(installation.ConfigFile).After
			if !json.Valid(after) {
				t.Fatalf("%v makes the configuration invalid JSON:\n%s", change, after)
			}
			if _, err := Apply(t.Context(), plan, Options{}); err != nil {
				t.Fatal(err)
			}
			if i == 3 {
				if admins, writers := rolesOf(t, dir); fmt.Sprint(admins, writers) != "[admin a] [ghost w]" {
					t.Errorf("admins %v, writers %v", admins, writers)
				}
			}
		}
	}
}

// TestLostCommentsAreReported removes the last name of a list, and with it the list and its comments.
func TestLostCommentsAreReported(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, answer.Values{"user": {"bob:writer"}})
	rewrite(t, dir, func(b []byte) []byte {
		return []byte(strings.Replace(string(b), "writer: [bob]", "writer:\n        # the builder\n        - bob", 1))
	})
	for change, told := range map[string]bool{"bob:reader": true, "ann:writer": false} {
		plan := planFor(t, m, dir, answer.Values{"user": {change}})
		c := plan.Change(installation.ConfigFile)
		if c.Kind != setup.Update ||
			strings.Contains(
				strings.Join(c.Meaning, ";"), "comments removed with the settings below them: 1 ",
			) != told {
			t.Errorf("%s: %s %q", change, c.Kind, c.Meaning)
		}
	}
}
