package check

import (
	"fmt"
	"os"

	"packhouse/printable"
)

// Server composes the commands of remedies that start, stop and restart a server and show its log. The
// zero value is a server in the foreground whose configuration is not known.
type Server struct {
	Config string // path of its configuration; empty: not known
	Unit   string // systemd unit that runs it; empty: it runs in the foreground
	User   string // user that runs it in the foreground; empty: the acting user

	unprivileged bool // the acting user is not root
}

// ServerOf returns the server of the configuration at path, for the acting user.
func ServerOf(path string) Server {
	return Server{Config: path, unprivileged: os.Geteuid() > 0}
}

// Root returns a command that needs root as the acting user runs it.
func (s Server) Root(command string) string {
	if s.unprivileged {
		return "sudo " + command
	}
	return command
}

// Start returns the command that starts the server.
func (s Server) Start() string {
	if s.Unit != "" {
		return s.Root("systemctl start " + s.Unit)
	}
	command := "packhouse serve"
	if s.Config != "" {
		command += " " + printable.Shell(s.Config)
	}
	if s.User != "" {
		command = s.Root("runuser -u " + printable.Shell(s.User) + " -- " + command)
	}
	return command
}

// Stop returns the instruction to stop the server, which has a process ID.
func (s Server) Stop(pid int) string {
	if s.Unit != "" {
		return "run " + s.Root("systemctl stop "+s.Unit)
	}
	return fmt.Sprintf("stop the server with ctrl+c, or run kill %d", pid)
}

// Restart returns the instruction to restart the server.
func (s Server) Restart() string {
	if s.Unit != "" {
		return "run " + s.Root("systemctl restart "+s.Unit)
	}
	return "stop the server with ctrl+c, then run " + s.Start()
}

// ReadLog returns the instruction to read the end of the server's log.
func (s Server) ReadLog() string {
	if s.Unit != "" {
		return "read the server's log with " + s.Root("journalctl -u "+s.Unit+" -n 50")
	}
	return "read the server's log on the terminal of " + s.Start()
}
