package check

import (
	"os"
	"path/filepath"
	"testing"

	"packhouse/server/auth/htpasswd"
	"packhouse/server/config"
)

// TestPlaceholderPasswords verifies that the check finds passwords that attackers try first, and --quick does not try.
func TestPlaceholderPasswords(t *testing.T) {
	for _, tc := range []struct {
		name, password string
		quick          bool
		status         Status
	}{
		{"its own", "a password of its own", false, NotProven},
		{"of the vendor", "yourPasswordHere", false, Failed},
		{"of the vendor's form", "{enter your secure password choice}", false, Failed},
		{"empty", "", false, Failed},
		{"the user's name", "admin", false, Failed},
		{"not tried", "yourPasswordHere", true, NotProven},
	} {
		t.Run(tc.name, func(t *testing.T) {
			hash, err := htpasswd.HashCost([]byte(tc.password), 4)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "htpasswd")
			if err := os.WriteFile(path, []byte("admin:"+string(hash)+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			c := &config.Config{}
			c.Auth.Method, c.Auth.Htpasswd.Path = config.AuthHtpasswd, path
			s := newSession(Target{Config: c, Quick: tc.quick, Users: []User{{Name: "admin", Role: "admin"}}})
			s.doing = func(string) {}
			r := s.proveLocalUsers()
			if r.Status != tc.status || (r.Finding.Code == CodePlaceholder) != (tc.status == Failed) {
				t.Errorf("%+v, want %s", r, tc.status)
			}
		})
	}
}
