package question

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/trust"
)

func serviceQuestion() *Question {
	return &Question{
		ID: "service", Step: "service", Title: "Service", Ask: "How should the server run?", Default: setup.NoService,
		Flags: []Flag{textFlag("service", "MANAGER", "service manager that runs the server: systemd or none (default systemd on a machine that runs it, as root, for a new installation in the default directory; else none)")},
		Help: "systemd starts the server at boot and after a crash, as a separate user that can write only to the " +
			"storage directory. Without systemd, the server runs until this window is closed, or under another " +
			"service manager.",
		Choices: func(m *machine.Machine, _ *Answers) []Option {
			systemd := Option{Value: setup.Systemd, Title: "systemd", Text: "at boot, sandboxed, as a user of its own"}
			switch {
			case !m.Systemd():
				systemd.Disabled = "systemd does not run on this machine"
			case m.UID != 0:
				systemd.Disabled = "only root can install a service"
			}
			return []Option{
				{Value: setup.NoService, Title: "Manually", Text: "run packhouse serve yourself, or from your own unit"},
				systemd,
			}
		},
		Answer: func(a *Answers) *string { return &a.Service },
		InUse:  func(in *installation.Installed) string { return in.Service() },
		Validate: func(_ context.Context, m *machine.Machine, a *Answers) []finding.Finding {
			return auditLogOfRoot(m, a)
		},
	}
}

// auditLogOfRoot warns about an audit log that root refuses to write. Without the service, root
// runs the server, unless the operator has a unit of their own.
func auditLogOfRoot(m *machine.Machine, a *Answers) []finding.Finding {
	if a.Service != setup.NoService || m.UID != 0 || a.Existing == nil || a.Existing.Config == nil {
		return nil
	}
	path := a.Existing.Config.Log.Audit.Path
	if path == "" || path == "-" {
		return nil
	}
	if fault := trust.Unsafe(trust.CheckLog(path)); fault != nil {
		return warned(installation.CodeUnsafe, "root will not write log.audit.path: "+fault.Error(), fault.Fix)
	}
	return nil
}

func runAsQuestion() *Question {
	return &Question{
		ID: "run-as", Step: "service", Title: "Run as", Ask: "As which user should the server run?", Default: setup.OwnName,
		Belongs: "--service systemd", Missing: "the user that the server runs as is missing",
		Give: "give its name, for instance " + setup.OwnName,
		Flags: []Flag{textFlag("run-as", "USER",
			"user that runs the server, with --service systemd (default packhouse, which setup creates)")},
		Help: "This user will own the files that the server reads and writes: passwords, the certificate's key, " +
			"content. It does not own the CA's key. Setup creates the user packhouse if it does not exist; any " +
			"other user must exist. The server can still listen on a port below 1024.",
		Asked:   func(a *Answers) bool { return a.Service == setup.Systemd },
		Suggest: func(*machine.Machine, *Answers) []string { return []string{setup.OwnName} },
		Validate: func(_ context.Context, m *machine.Machine, a *Answers) []finding.Finding {
			account, err := machine.FindAccount(a.RunAs)
			if err != nil {
				return refused(setup.CodeRunAs, fmt.Sprintf("user %q cannot be used: %v", a.RunAs, err),
					"create the user first, or use "+setup.OwnName+", which setup creates")
			}
			var findings []finding.Finding
			if account.UID == 0 {
				findings = append(findings, setup.Warn(setup.CodeRunAs, "as root, a fault of the server is a fault of the machine",
					"leave it at "+setup.OwnName+", which setup makes"))
			}
			program, err := m.OwnProgram()
			if err != nil {
				return append(findings, setup.Refuse(setup.CodeRunAs, err.Error(), "start setup by its whole path"))
			}
			return append(findings, a.Obstacles(account, program)...)
		},
		Answer: func(a *Answers) *string { return &a.RunAs },
	}
}

// temporary are directories that the system cleans up.
var temporary = [...]string{"/tmp", "/var/tmp"}

// Obstacles returns findings about paths that the server must run, read or write, but the user cannot.
func (a *Answers) Obstacles(user machine.Account, program string) []finding.Finding {
	var findings []finding.Finding
	refuse := func(what, remedy string) { findings = append(findings, setup.Refuse(setup.CodeRunAs, what, remedy)) }
	const own = "/usr/local/bin/" + setup.OwnName
	if obstacle := user.Stopped(program, machine.ToPass); obstacle != "" {
		refuse(fmt.Sprintf("%s may not run %s: %s is closed", user.Name, program, obstacle),
			fmt.Sprintf("install -m 0755 %s %s, then run setup with that one", setup.Shell(program), own))
	} else if isTemporary(program) {
		findings = append(findings,
			setup.Warn(setup.CodeRunAs, program+" is in a directory for temporary files, and the service needs it",
				fmt.Sprintf("install -m 0755 %s %s, then run setup with that one", setup.Shell(program), own)))
	}
	if obstacle := user.Stopped(filepath.Join(a.Dir, installation.ConfigFile), 0); obstacle != "" {
		refuse(fmt.Sprintf("%s may not enter %s: %s is closed", user.Name, a.Dir, obstacle),
			"choose another directory with --dir, or open that one: chmod a+x "+setup.Shell(obstacle))
	}
	for _, path := range a.readBy() {
		if obstacle := user.Stopped(path, machine.ToRead); obstacle == path {
			refuse(fmt.Sprintf("%s may not read %s", user.Name, path),
				"give it to that user: chown "+user.Name+" "+setup.Shell(path))
		} else if obstacle != "" {
			refuse(fmt.Sprintf("%s may not read %s: %s is closed", user.Name, path, obstacle),
				"copy it to where that user may read it, after every renewal too")
		}
	}
	if a.Storage != config.Filesystem {
		return findings
	}
	if obstacle := user.Stopped(a.StoragePath, 0); obstacle != "" {
		findings = append(findings,
			setup.Refuse(setup.CodeRunAs, fmt.Sprintf("%s may not enter %s: %s is closed", user.Name, a.StoragePath, obstacle),
				"").WithRemedy(finding.Textf("choose another directory %s, or open that one: chmod a+x %s",
				withFlag("--storage-path", ""), setup.Shell(obstacle))))
	}
	if contentOfOthers(a.StoragePath, user) {
		refuse(fmt.Sprintf("%s holds content that belongs to another user than %s", a.StoragePath, user.Name),
			"stop the server, then give it away: chown -R "+user.Name+": "+setup.Shell(a.StoragePath))
	}
	return findings
}

// contentOfOthers reports whether content below a directory belongs to another user, according to its
// trees and the files that the last server wrote. Links that the server's user can have made are not
// followed: they are not content.
func contentOfOthers(dir string, user machine.Account) bool {
	c := &config.Config{}
	c.Storage.Driver, c.Storage.Filesystem.RootDirectory = config.Filesystem, dir
	lease := filepath.Join(dir, setup.OwnName, "v1", "lease")
	return user.UID != 0 &&
		slices.ContainsFunc(
			append(installation.StoreTrees(c), filepath.Join(lease, "owner"), filepath.Join(lease, "state.json")),
			func(path string) bool {
				info, err := trust.Lstat(path)
				if err != nil || !info.IsDir() && !info.Mode().IsRegular() {
					return false
				}
				uid, _ := machine.Owner(info)
				return uid != user.UID
			},
		)
}

// Unfit returns a finding if the user as whom systemd runs the server cannot serve the store, or
// nil. A server that was run as another user leaves files of that user.
func Unfit(in *installation.Installed) *finding.Finding {
	if !in.Supervised() || in.Config == nil || in.Config.Storage.Driver != config.Filesystem {
		return nil
	}
	user, err := machine.FindAccount(in.ServiceUser())
	dir := in.Config.Storage.Filesystem.RootDirectory
	if err != nil || !contentOfOthers(dir, user) {
		return nil
	}
	f := setup.Refuse(setup.CodeRunAs, fmt.Sprintf("%s holds content that belongs to another user than %s", dir,
		user.Name), "give it away: chown -R "+user.Name+": "+setup.Shell(dir))
	return &f
}

// readBy returns the files outside the installation that the server reads.
func (a *Answers) readBy() []string {
	var paths []string
	switch a.TLS {
	case setup.Files:
		paths = append(paths, a.CertFile)
		if _, key := a.TLSFiles(); key == a.KeyFile &&
			key != filepath.Join(a.Dir, installation.OwnKeyFile) {
			paths = append(paths, key)
		}
	case setup.LetsEncrypt:
		paths = append(paths, a.ACMECA, a.EABKeyPath())
	}
	if a.Storage == config.S3 {
		paths = append(paths, a.S3.CAFile)
	}
	return slices.DeleteFunc(paths, func(path string) bool { return !filepath.IsAbs(path) })
}

func isTemporary(path string) bool {
	return slices.ContainsFunc(temporary[:], func(dir string) bool { return strings.HasPrefix(path, dir+"/") })
}
