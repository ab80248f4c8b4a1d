package session

import (
	"time"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/installation"
)

// TaskID identifies a task of the manager.
type TaskID int

// Tasks of the manager, in the order in which they are shown.
const (
	RenewTask TaskID = iota
	UsersTask
	SettingsTask
	RepairTask
	CheckTask
	RollbackTask
	ServerTask // starts or stops it
	UninstallTask
)

// Task is something that can be done with an installation.
type Task struct {
	ID         TaskID
	Name, Text string
	Closed     string // why it cannot be done now; empty: it can
}

// Tasks lists the tasks of the manager. The index of each is its ID.
func (s *Session) Tasks() []Task {
	state := s.State
	if state == nil {
		return nil
	}
	tasks := []Task{
		{RenewTask, "Renew the certificate", "same names, same key; clients notice nothing", s.renewClosed()},
		{UsersTask, "Users", "add, change, remove", ""},
		{SettingsTask, "Settings", "choose what to change", ""},
		{RepairTask, "Repair", "restore missing files and modes", ""},
		{CheckTask, "Check", "prove that everything works", ""},
		{RollbackTask, "Roll back", "to the files before the last change", ""},
		s.serverTask(),
		{UninstallTask, "Uninstall", "shows what would be removed, and asks first", s.uninstallClosed()},
	}
	if s.Unsaved != nil {
		tasks[SettingsTask].Text = "continue with your unsaved changes; r discards them"
	}
	if !state.Server.Up && state.Server.Problem == "" {
		tasks[CheckTask].Text = "start the server, and prove that everything works"
	}
	if s.Installed.Refused() {
		tasks[RepairTask].Text = "shows what is wrong with myconfig.yml, and ways to repair it"
	}
	switch {
	case state.Backup.IsZero() || s.Options.Rollback == nil:
		tasks[RollbackTask].Closed = "there is no backup"
	case !state.Before:
		tasks[RollbackTask].Text = "removes what the first setup wrote"
	default:
		tasks[RollbackTask].Text = "to the files from before " + state.Backup.Local().Format(time.DateTime)
	}
	s.closeTasks(tasks)
	return tasks
}

// FirstTask returns the task that the manager offers first: repair if the server refuses its
// configuration, start if no server runs, otherwise the first one.
func (s *Session) FirstTask() TaskID {
	switch server := s.State.Server; {
	case s.Installed.Refused():
		return RepairTask
	case !server.Up && s.Tasks()[ServerTask].Closed == "":
		return ServerTask
	}
	return RenewTask
}

// closeTasks disables the tasks that need refused settings to be fixed first. Tasks that fix them
// or leave stay enabled.
func (s *Session) closeTasks(tasks []Task) {
	why, way := "", SettingsTask
	for _, f := range s.Findings {
		if f.Severity == finding.Refused {
			why = "fix this first: " + f.What
			break
		}
	}
	if s.Installed.Refused() {
		why, way = "the server refuses "+installation.ConfigFile+"; choose Repair first", RepairTask
	}
	if why == "" {
		return
	}
	for i, t := range tasks {
		switch {
		case t.ID == way, t.ID == RollbackTask, t.ID == UninstallTask, t.ID == ServerTask && s.State.Server.Up:
		default:
			tasks[i].Closed = why
		}
	}
}

// renewClosed returns why the certificate cannot be renewed here, or "".
func (s *Session) renewClosed() string {
	state := s.State
	switch {
	case state.TLS == setup.LetsEncrypt:
		return s.Options.Pasteable("the server orders and renews it; packhouse cert show lists the orders")
	case state.TLS == setup.Off:
		return "TLS is off, so there is no certificate; turn TLS on in Settings"
	case state.Certificate == nil && state.TLS == setup.Files:
		return "this is your own certificate, and its files cannot be read: restore them"
	case state.Certificate == nil:
		return "its files cannot be read: Repair issues a new certificate"
	case !state.Certificate.Made:
		return "this is your own certificate: replace its files"
	}
	return ""
}

// serverTask returns the task that starts the server, or stops a running one.
func (s *Session) serverTask() Task {
	server := s.State.Server
	switch {
	case server.Up:
		t := Task{ServerTask, "Stop the server", "running requests finish first", ""}
		if !server.Here && s.Options.Stop == nil {
			t.Closed = "stop it where it was started"
		}
		return t
	}
	text := "here, until you leave; shows its log"
	if s.Answers.Service == setup.Systemd {
		text = "systemd runs it, also after a restart of the machine"
	}
	t := Task{ServerTask, "Start the server", text, ""}
	if server.Problem != "" {
		t.Closed = "the server " + server.Problem
	}
	return t
}

// uninstallClosed returns why the installation cannot be removed now, or "".
func (s *Session) uninstallClosed() string {
	switch server := s.State.Server; {
	case s.Options.Uninstall == nil:
		return s.Options.Pasteable("packhouse uninstall does it")
	case server.Up && s.Answers.Service != setup.Systemd:
		return "stop the server first"
	}
	return ""
}
