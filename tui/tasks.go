package tui

import (
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"packhouse/finding"
	"packhouse/setup"
)

// taskID names a task of the manager.
type taskID int

const (
	renewTask taskID = iota
	usersTask
	settingsTask
	repairTask
	checkTask
	rollbackTask
	serverTask // starts or stops it
	uninstallTask
)

// task is one thing that can be done with an installation.
type task struct {
	id         taskID
	name, text string
	closed     string // why it cannot be done now; empty: it can
	run        func() tea.Cmd
}

// tasks lists the tasks of the manager. The index of each is its ID.
func (m *model) tasks() []task {
	s := m.manager.state
	if s == nil {
		return nil
	}
	tasks := []task{
		{renewTask, "Renew the certificate", "same names, same key; clients notice nothing", m.renewClosed(), m.rotate},
		{usersTask, "Users", "add, change, remove", "", func() tea.Cmd { return m.resume("users") }},
		{settingsTask, "Settings", "choose what to change", "", m.openSettings},
		{repairTask, "Repair", "restore missing files and modes", "", m.rewrite},
		{checkTask, "Check", "prove that everything works", "", m.checkOnly},
		{rollbackTask, "Roll back", "to the files before the last change", "", m.planRollback},
		m.serverTask(),
		{uninstallTask, "Uninstall", "shows what would be removed, and asks first", m.uninstallClosed(), m.uninstall},
	}
	if m.kept != nil {
		tasks[settingsTask].text = "continue with your unsaved changes; r discards them"
	}
	if !s.Server.Up && s.Server.Problem == "" {
		tasks[checkTask].text = "start the server, and prove that everything works"
	}
	if m.installed.Refused() {
		tasks[repairTask].text = "shows what is wrong with myconfig.yml, and ways to put it right"
	}
	switch {
	case s.Backup.IsZero() || m.options.Rollback == nil:
		tasks[rollbackTask].closed = "there is no backup"
	case !s.Before:
		tasks[rollbackTask].text = "removes what the first setup wrote"
	default:
		tasks[rollbackTask].text = "to the files from before " + s.Backup.Local().Format(time.DateTime)
	}
	m.closeTasks(tasks)
	return tasks
}

// closeTasks disables the tasks that need refused settings to be fixed first. Tasks that fix them or leave stay enabled.
func (m *model) closeTasks(tasks []task) {
	why, way := "", settingsTask
	for _, f := range m.findings {
		if f.Severity == finding.Refused {
			why = "not before this is put right: " + f.What
			break
		}
	}
	if m.installed.Refused() {
		why, way = "the server refuses "+setupConfig+"; Repair first", repairTask
	}
	if why == "" {
		return
	}
	for i, t := range tasks {
		switch {
		case t.id == way, t.id == rollbackTask, t.id == uninstallTask, t.id == serverTask && m.manager.state.Server.Up:
		default:
			tasks[i].closed = why
		}
	}
}

// renewClosed returns why the certificate cannot be renewed here, or "".
func (m *model) renewClosed() string {
	s := m.manager.state
	switch {
	case s.TLS == setup.LetsEncrypt:
		return m.options.Pasteable("the server orders and renews it; packhouse cert show lists the orders")
	case s.TLS == setup.Off:
		return "TLS is off, so there is no certificate; turn TLS on in Settings"
	case s.Certificate == nil && s.TLS == setup.Files:
		return "this is your own certificate, and its files cannot be read: restore them"
	case s.Certificate == nil:
		return "its files cannot be read: Repair issues a new certificate"
	case !s.Certificate.Made:
		return "this is your own certificate: replace its files"
	}
	return ""
}

// serverTask returns the task that starts the server, or stops a running one.
func (m *model) serverTask() task {
	server := m.manager.state.Server
	switch {
	case server.Up && server.Here:
		return task{serverTask, "Stop the server", "running requests finish first", "", m.stopHere}
	case server.Up:
		t := task{serverTask, "Stop the server", "running requests finish first", "", m.stopElsewhere}
		if m.options.Stop == nil {
			t.closed = "stop it where it was started"
		}
		return t
	}
	text := "here, until you leave; shows its log"
	if m.answers.Service == setup.Systemd {
		text = "systemd runs it, also after a restart of the machine"
	}
	t := task{serverTask, "Start the server", text, "", m.startServer}
	if server.Problem != "" {
		t.closed = "the server " + server.Problem
	}
	return t
}

// uninstallClosed returns why the installation cannot be removed now, or "".
func (m *model) uninstallClosed() string {
	switch server := m.manager.state.Server; {
	case m.options.Uninstall == nil:
		return m.options.Pasteable("packhouse uninstall does it")
	case server.Up && m.answers.Service != setup.Systemd:
		return "stop the server first"
	}
	return ""
}
