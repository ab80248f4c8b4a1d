package check

import (
	"errors"
	"io/fs"
	"net/url"
	"strings"
	"testing"
)

// sessionOf returns the session of a server at port 5000.
func sessionOf(server Server, remote bool) *session {
	s := &session{base: &url.URL{Scheme: "https", Host: "registry.example.com:5000"}}
	s.Server, s.ConfigPath, s.Remote = server, server.Config, remote
	return s
}

func TestRemediesNameCommands(t *testing.T) {
	const config = "/etc/my registry/myconfig.yml"
	unit := Server{Config: config, Unit: "packhouse.service"}
	foreground := Server{Config: config}
	for _, tc := range []struct {
		name   string
		server Server
		remote bool
		remedy func(*session) string
		want   string
	}{
		{"log", unit, false, (*session).readLog, "journalctl -u packhouse.service -n 50"},
		{"log", foreground, false, (*session).readLog, "terminal of packhouse serve '/etc/my registry/myconfig.yml'"},
		{"log", Server{}, true, (*session).readLog, "journalctl -u packhouse.service -n 50 on the server"},
		{"port", foreground, false, (*session).freePort, "ss -ltnp 'sport = :5000'"},
		{"port", Server{}, true, (*session).freePort, "ss -ltnp 'sport = :5000' on the server"},
		{"users", unit, false, (*session).requireUsers, "systemctl restart packhouse.service"},
		{
			"users", foreground, false, (*session).requireUsers,
			"stop the server with ctrl+c, then run packhouse serve '/etc/my registry/myconfig.yml'",
		},
		{
			"refused", unit, false, func(s *session) string { return s.refused("x:5000").Finding.Remedy },
			"run systemctl start packhouse.service",
		},
		{
			"refused", foreground, false, func(s *session) string { return s.refused("x:5000").Finding.Remedy },
			"run packhouse serve '/etc/my registry/myconfig.yml'",
		},
	} {
		s := sessionOf(tc.server, tc.remote)
		if got := tc.remedy(s); !strings.Contains(got, tc.want) {
			t.Errorf("%s of %+v, remote %t: %q, want %q", tc.name, tc.server, tc.remote, got, tc.want)
		}
	}
}

func TestRemedyOfMissingDirectory(t *testing.T) {
	s := sessionOf(Server{Config: "/etc/packhouse/myconfig.yml"}, false)
	missing := &fs.PathError{Op: "statfs", Path: "/srv/my data", Err: fs.ErrNotExist}
	if got := s.makeDirectory(missing.Path, missing); got != "run install -d -m 0750 '/srv/my data'" {
		t.Errorf("without a user: %q", got)
	}
	s.Files = []File{{Path: missing.Path, Dir: true, Owner: &Account{Name: "packhouse", UID: 999}}}
	if got := s.makeDirectory(missing.Path, missing); got != "run install -d -m 0750 -o packhouse '/srv/my data'" {
		t.Errorf("with a user: %q", got)
	}
	denied := errors.Join(fs.ErrPermission)
	if got := s.makeDirectory(missing.Path, denied); !strings.HasPrefix(got, "run sudo packhouse check /etc/packhouse/") {
		t.Errorf("without permission: %q", got)
	}
}
