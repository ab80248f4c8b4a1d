package answer

import (
	"errors"
	"io/fs"

	"packhouse/setup"
	"packhouse/setup/machine"
)

// defaultService chooses systemd if it runs the machine and the installation is new and in the
// default directory. An existing installation keeps its service manager, other directories must not
// take over the machine's only unit, and with --serve this process is the server. If systemd is
// otherwise not possible, the findings state why.
func (r *resolver) defaultService() {
	a, m, in := &r.answers, r.machine, r.installed
	if !m.Systemd() || m.UID != 0 || in.Config != nil || a.Dir != m.ConfigDir || r.answers.Serve {
		return
	}
	instead := func(why, remedy string) {
		r.report(setup.Warn(setup.CodeService, "systemd will not run the server: "+why, remedy+"; or say --service none"),
			"service", "--service")
	}
	if _, err := m.Host.ReadFile(setup.UnitFile); !errors.Is(err, fs.ErrNotExist) && !in.Lists(setup.UnitFile) {
		instead(setup.UnitFile+" is there already, and is not this installation's", "move it away")
		return
	}
	if r.origins["run-as"] == FromDefault { // an explicit user that does not suit is refused instead
		user, err := machine.FindAccount(a.RunAs)
		if err != nil {
			instead(err.Error(), "name a user with --run-as")
			return
		}
		program, err := m.OwnProgram()
		if err != nil {
			instead(err.Error(), "start setup by its whole path")
			return
		}
		if obstacles := a.Obstacles(user, program); len(obstacles) > 0 {
			instead(obstacles[0].What, obstacles[0].Remedy)
			return
		}
	}
	a.Service, r.origins["service"] = setup.Systemd, FromDetection
}

// whoServes decides what starts the server, once all answers that matter are known.
func (r *resolver) whoServes() {
	_, _, asked := r.given("service")
	if !asked && r.origins["service"] == FromDefault {
		r.defaultService()
	}
	switch {
	case r.answers.Service != setup.Systemd || !r.answers.Serve:
	case asked:
		r.refuse("service", "--serve", setup.CodeConflict,
			"--serve keeps the server in this process, and --service systemd gives it to systemd", "leave out one of them")
	default:
		r.findings = append(r.findings, setup.Remark(setup.CodeConflict,
			"systemd runs the server of this installation: there is nothing for --serve to keep", ""))
	}
}
