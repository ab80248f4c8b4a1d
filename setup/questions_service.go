package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"packhouse/server/config"
)

func serviceQuestion() *Question {
	q := &Question{
		ID: "service", Title: "Service", Flags: []string{"--service"}, Ask: "Who shall start the server?",
		Help: "systemd starts the server with the machine and after a crash, as a user of its own who may do little else: it can write to where content is kept, and nowhere " +
			"else. Without it the server runs as long as somebody lets it: in this window, or under whatever else looks after programs here.",
		Choices: func(m *Machine, _ *Answers) []Option {
			systemd := Option{Value: Systemd, Title: "systemd", Text: "with the machine, as a user of its own, closed in"}
			switch {
			case !m.systemd():
				systemd.Disabled = "systemd does not run on this machine"
			case m.UID != 0:
				systemd.Disabled = "only root can install a service"
			}
			return []Option{{Value: NoService, Title: "Nobody yet", Text: "packhouse serve, by hand or by a unit of your own"}, systemd}
		},
	}
	q.text(func(a *Answers) *string { return &a.Service })
	q.oneOf(func(in *Installed) string { return in.service() })
	return q
}

func runAsQuestion() *Question {
	q := &Question{
		ID: "run-as", Title: "Run as", Flags: []string{"--run-as"}, Kind: Text, Ask: "As which user shall it run?",
		Help: "What the server reads and writes will belong to this user: passwords, the certificate's key, content. The key of the CA does not. The user packhouse is made where it is " +
			"not there; any other has to exist. A port below 1024 can be served all the same.",
		Asked:   func(a *Answers) bool { return a.Service == Systemd },
		Suggest: func(*Machine, *Answers) []string { return []string{ownName} },
		Validate: func(_ context.Context, _ *Machine, a *Answers) []Finding {
			if a.RunAs == "" {
				return []Finding{refused(CodeMissing, "the user that the server runs as is missing", "give its name, for instance "+ownName)}
			}
			account, err := findAccount(a.RunAs)
			if err != nil {
				return []Finding{refused(CodeRunAs, fmt.Sprintf("user %q cannot be used: %v", a.RunAs, err), "make it first, or leave it at "+ownName+", which setup makes")}
			}
			var findings []Finding
			if account.uid == 0 {
				findings = append(findings, warned(CodeRunAs, "as root, a fault of the server is a fault of the machine", "leave it at "+ownName+", which setup makes"))
			}
			return append(findings, a.within(account)...)
		},
	}
	return q.text(func(a *Answers) *string { return &a.RunAs })
}

// within tells what a user cannot read or write that the server must.
func (a *Answers) within(user account) []Finding {
	var findings []Finding
	if a.TLS == Files && a.KeyFile != "" {
		if info, err := os.Stat(a.KeyFile); err == nil && !readableBy(info, user) {
			findings = append(findings, refused(CodeRunAs, fmt.Sprintf("%s may not read %s", user.name, a.KeyFile), "give it to that user: chown "+user.name+" "+shell(a.KeyFile)))
		}
	}
	if a.Storage == config.Filesystem {
		c := &config.Config{}
		c.Storage.Driver, c.Storage.Filesystem.RootDirectory = config.Filesystem, a.StoragePath
		for _, tree := range StoreTrees(c) {
			info, err := os.Stat(tree)
			if uid, _ := owner(info); err == nil && uid != user.uid && user.uid != 0 {
				findings = append(findings, refused(CodeRunAs, fmt.Sprintf("%s holds content that belongs to another user than %s", a.StoragePath, user.name),
					"stop the server, then give it away: chown -R "+user.name+": "+shell(a.StoragePath)))
				break
			}
		}
	}
	return findings
}

func readableBy(info fs.FileInfo, user account) bool {
	uid, gid := owner(info)
	switch perm := info.Mode().Perm(); {
	case user.uid == 0:
		return true
	case uid == user.uid:
		return perm&0o400 != 0
	case gid == user.gid:
		return perm&0o040 != 0
	default:
		return perm&0o004 != 0
	}
}

// systemd tells whether the machine is run by it (sd_booted(3)).
func (m *Machine) systemd() bool {
	_, err := m.Host.ReadFile("/run/systemd/system")
	return !errors.Is(err, fs.ErrNotExist)
}
