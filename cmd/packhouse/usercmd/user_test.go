package usercmd

import (
	"encoding/json"
	"testing"

	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/installation"
)

// TestUserListShowsRules verifies that user list shows what the rules of the configuration let a user
// do, and not the role reader, which rules end.
func TestUserListShowsRules(t *testing.T) {
	rules := []config.Rule{
		{Repositories: "team/**", Users: []string{"alice"}, Role: "writer"},
		{Repositories: "**", Users: []string{"carol"}, Role: "reader"},
		{Repositories: "apps/*", Users: []string{"carol", "admin"}, Role: "writer"},
	}
	for _, tc := range []struct {
		user  string
		rules []config.Rule
		text  string
		json  string
	}{
		{"bob", nil, "reader", `{"name":"bob","role":"reader"}`},
		{"bob", rules, "none", `{"name":"bob","role":"none"}`},
		{
			"alice", rules, "none, writer of team/**",
			`{"name":"alice","role":"none","rules":[{"repositories":"team/**","role":"writer"}]}`,
		},
		{
			"carol", rules, "reader, writer of apps/*",
			`{"name":"carol","role":"reader","rules":[{"repositories":"apps/*","role":"writer"}]}`,
		},
		{"admin", rules, "admin", `{"name":"admin","role":"admin"}`},
	} {
		c := &config.Config{}
		c.Auth.Htpasswd = config.Htpasswd{Roles: config.Roles{Admin: []string{"admin"}}, Rules: tc.rules}
		row := rowOf(&installation.Installed{Config: c}, setup.User{Name: tc.user, Role: setup.Reader})
		encoded, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		if row.String() != tc.text || string(encoded) != tc.json {
			t.Errorf("%s with %d rules: %s, %s, want %s, %s", tc.user, len(tc.rules), row, encoded, tc.text, tc.json)
		}
	}
}
