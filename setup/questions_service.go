package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"packhouse/finding"
	"packhouse/trust"
)

func serviceQuestion() *Question {
	q := &Question{
		ID: "service", Title: "Service", Flags: []string{"--service"}, Ask: "How should the server run?",
		Help: "systemd starts the server at boot and after a crash, as a user of its own that can write only the storage directory. Without systemd, " +
			"the server runs until this window is closed, or under another service manager.",
		Choices: func(m *Machine, _ *Answers) []Option {
			systemd := Option{Value: Systemd, Title: "systemd", Text: "at boot, sandboxed, as a user of its own"}
			switch {
			case !m.systemd():
				systemd.Disabled = "systemd does not run on this machine"
			case m.UID != 0:
				systemd.Disabled = "only root can install a service"
			}
			return []Option{{Value: NoService, Title: "Manually", Text: "run packhouse serve yourself, or from your own unit"}, systemd}
		},
	}
	q.text(func(a *Answers) *string { return &a.Service })
	q.oneOf(func(in *Installed) string { return in.service() })
	known := q.Validate
	q.Validate = func(ctx context.Context, m *Machine, a *Answers) []finding.Finding {
		return append(known(ctx, m, a), auditLogOfRoot(m, a)...)
	}
	return q
}

// auditLogOfRoot warns about an audit log that root refuses to write. Without the service, root
// runs the server, unless the operator has a unit of their own.
func auditLogOfRoot(m *Machine, a *Answers) []finding.Finding {
	if a.Service != NoService || m.UID != 0 || a.existing == nil || a.existing.Config == nil {
		return nil
	}
	path := a.existing.Config.Log.Audit.Path
	if path == "" || path == "-" {
		return nil
	}
	if fault := trust.Unsafe(trust.CheckLog(path)); fault != nil {
		return []finding.Finding{warned(CodeUnsafe, "root will not write log.audit.path: "+fault.Error(), fault.Fix)}
	}
	return nil
}

func runAsQuestion() *Question {
	q := &Question{
		ID: "run-as", Title: "Run as", Flags: []string{"--run-as"}, Kind: Text, Ask: "As which user should the server run?",
		Help: "This user will own the files that the server reads and writes: passwords, the certificate's key, content. It does not own the CA's key. Setup creates the user " +
			"packhouse if it does not exist; any other user must exist. The server can still listen on a port below 1024.",
		Asked:   func(a *Answers) bool { return a.Service == Systemd },
		Suggest: func(*Machine, *Answers) []string { return []string{ownName} },
		Validate: func(_ context.Context, m *Machine, a *Answers) []finding.Finding {
			if a.RunAs == "" {
				return []finding.Finding{refused(CodeMissing, "the user that the server runs as is missing", "give its name, for instance "+ownName)}
			}
			account, err := findAccount(a.RunAs)
			if err != nil {
				return []finding.Finding{refused(CodeRunAs, fmt.Sprintf("user %q cannot be used: %v", a.RunAs, err), "create the user first, or use "+ownName+", which setup creates")}
			}
			var findings []finding.Finding
			if account.uid == 0 {
				findings = append(findings, warned(CodeRunAs, "as root, a fault of the server is a fault of the machine", "leave it at "+ownName+", which setup makes"))
			}
			program, err := m.ownProgram()
			if err != nil {
				return append(findings, refused(CodeRunAs, err.Error(), "start setup by its whole path"))
			}
			return append(findings, a.within(account, program)...)
		},
	}
	return q.text(func(a *Answers) *string { return &a.RunAs })
}

// systemd reports whether systemd runs this machine, as sd_booted(3) does.
func (m *Machine) systemd() bool {
	_, err := m.Host.ReadFile("/run/systemd/system")
	return !errors.Is(err, fs.ErrNotExist)
}

// defaultService chooses systemd if it runs the machine and the installation is new and in the
// default directory. An existing installation keeps its service manager, other directories must not
// take over the machine's only unit, and with --serve this process is the server. If systemd is
// otherwise not possible, the findings state why.
func (r *resolver) defaultService() {
	a, m, in := &r.answers, r.machine, r.installed
	if !m.systemd() || m.UID != 0 || in.Config != nil || a.Dir != m.ConfigDir || r.serves() {
		return
	}
	instead := func(why, remedy string) {
		f := warned(CodeService, "systemd will not run the server: "+why, remedy+"; or say --service none")
		f.Question, f.Flag = "service", "--service"
		r.findings = append(r.findings, f)
	}
	if _, err := m.Host.ReadFile(UnitFile); !errors.Is(err, fs.ErrNotExist) && !in.lists(UnitFile) {
		instead(UnitFile+" is there already, and is not this installation's", "move it away")
		return
	}
	if r.origins["run-as"] == FromDefault { // an explicit user that does not suit is refused instead
		user, err := findAccount(a.RunAs)
		if err != nil {
			instead(err.Error(), "name a user with --run-as")
			return
		}
		program, err := m.ownProgram()
		if err != nil {
			instead(err.Error(), "start setup by its whole path")
			return
		}
		if obstacles := a.within(user, program); len(obstacles) > 0 {
			instead(obstacles[0].What, obstacles[0].Remedy)
			return
		}
	}
	a.Service, r.origins["service"] = Systemd, FromDetection
}

// serves reports whether this process continues as the server.
func (r *resolver) serves() bool {
	text, _, _ := r.given("serve")
	serve, _ := parseBool(text)
	return serve
}

// whoServes decides what starts the server, once all answers that matter are known.
func (r *resolver) whoServes() {
	_, _, asked := r.given("service")
	if !asked && r.origins["service"] == FromDefault {
		r.defaultService()
	}
	switch {
	case r.answers.Service != Systemd || !r.serves():
	case asked:
		r.refuse("service", "--serve", CodeConflict, "--serve keeps the server in this process, and --service systemd gives it to systemd", "leave out one of them")
	default:
		r.findings = append(r.findings, noted(CodeConflict, "systemd runs the server of this installation: there is nothing for --serve to keep", ""))
	}
}

// ownProgram returns the path of this program for use in a unit.
func (m *Machine) ownProgram() (string, error) {
	if m.program != "" {
		return m.program, nil
	}
	return ownProgram()
}

func ownProgram() (string, error) {
	program, err := os.Executable()
	if err == nil {
		program, err = filepath.EvalSymlinks(program)
	}
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	return program, nil
}
