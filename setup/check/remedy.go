package check

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"strings"

	"packhouse/printable"
)

// Remedies that depend on the server: on this machine they name its unit, its configuration and its
// port, for a remote registry the command to run on its machine.

// there returns an instruction for the machine of the server.
func (s *session) there(instruction string) string {
	if s.Remote {
		return instruction + " on the server"
	}
	return instruction
}

// readLog returns how to read the server's log.
func (s *session) readLog() string {
	if s.Remote {
		return "run packhouse check on the server, and, if systemd runs it, " +
			"journalctl -u packhouse.service -n 50 on the server"
	}
	return s.Server.ReadLog()
}

// freePort returns how to find another program on the server's port, or to use another port.
func (s *session) freePort() string {
	if s.base == nil {
		return s.there("run packhouse check")
	}
	_, port, _ := net.SplitHostPort(s.address(s.hostPort())) //nolint:errcheck // the port is then empty
	if s.Remote {
		return "find the program with ss -ltnp 'sport = :" + port + "' on the server and stop it, or correct --url"
	}
	return "find the program with " + s.Server.Root("ss -ltnp 'sport = :"+port+"'") +
		" and stop it, or choose another port with packhouse setup"
}

// plainRemedy returns what to do about plain HTTP in the place of TLS.
func (s *session) plainRemedy() string {
	if s.Remote {
		return "write http:// in --url if TLS is off there; otherwise " + s.freePort()
	}
	return s.freePort()
}

// openPort returns how to let clients through to the server's port.
func (s *session) openPort() string {
	const cloud = "open the port in the cloud's security group"
	if s.Remote {
		return "run packhouse check on the server, which names the command for its firewall, and " + cloud
	}
	if v := proveFirewall(context.Background(), s); v.Finding.Code == CodeClosed {
		return v.Finding.Remedy + ", and " + cloud
	}
	return "open the port in the firewall and in the cloud's security group; if it is open, " + s.Server.Restart()
}

// requireUsers returns how to make the server ask for credentials.
func (s *session) requireUsers() string {
	if s.Remote {
		return "set auth.htpasswd in the myconfig.yml of the server and restart it; if it is not a packhouse server, " +
			s.freePort()
	}
	return "set auth.htpasswd in " + printable.Shell(s.ConfigPath) + ", then " + s.Server.Restart()
}

// asRoot returns what to do about a file that this user may not see.
func (s *session) asRoot() string {
	return "run sudo packhouse check " + printable.Shell(s.ConfigPath) + ", which may see more"
}

// makeDirectory returns what to do about a storage directory that cannot be used because of err.
func (s *session) makeDirectory(path string, err error) string {
	if !errors.Is(err, fs.ErrNotExist) {
		return s.asRoot()
	}
	words := []string{"install -d -m 0750"}
	for _, f := range s.Files {
		if f.Path == path && f.Owner != nil {
			words = append(words, "-o "+printable.Shell(f.Owner.Name))
		}
	}
	return "run " + s.Server.Root(strings.Join(append(words, printable.Shell(path)), " "))
}
