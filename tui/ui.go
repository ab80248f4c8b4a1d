package tui

import (
	"context"
	"os/exec"
	"syscall"
	"time"

	"github.com/charmbracelet/bubbles/key"
	"github.com/charmbracelet/bubbles/spinner"
	tea "github.com/charmbracelet/bubbletea"

	"packhouse/tui/logview"
	"packhouse/tui/session"
	"packhouse/tui/theme"
)

// place identifies a screen.
type place int

const (
	beginning place = iota // the machine and the installation are being read
	asking
	reviewing
	applying
	checking
	handing   // the card
	serving   // the log
	managing  // the state of an installation
	choosing  // which of the settings to change
	repairing // a myconfig.yml that the server refuses
	places    // their number
)

// Sizes of windows. Smaller than the first pair, one sentence is shown; smaller than the second,
// the question alone; from the third on, the preview too.
const (
	leastWidth, leastHeight   = 40, 12
	normalWidth, normalHeight = 72, 16
	wideWidth                 = 110
	stepsWidth                = 21
)

// screen is one screen of the wizard or the manager.
type screen interface {
	// Init is called when the screen opens.
	Init() tea.Cmd
	// Update handles a key ([keyPress]) or a message of the screen's own.
	Update(msg tea.Msg) tea.Cmd
	// View draws the content in at most height lines, and says how many lines are hidden.
	View(width, height int) (lines []string, hidden string)
	// Keys lists the keys that do something now, the most useful first; in more words if long is set.
	Keys(long bool) []key.Binding
	Title() string
	Help() string
}

// router moves between screens, which do not know each other.
type router interface {
	// open shows a screen and runs its Init.
	open(p place) tea.Cmd
	// show shows a screen as it was left.
	show(p place)
	// openStep shows a step of the open ones.
	openStep(index int)
	// openSettings shows the list of settings.
	openSettings() tea.Cmd
	// backToSettings returns to the list of settings, at an index. It reports false if the steps were
	// not opened from it.
	backToSettings(at int) bool
	// begun shows the first screen of a session that has begun.
	begun() tea.Cmd
	// home reads the installation again and shows its state.
	home() tea.Cmd
	// homeOr is home if the session manages an installation.
	homeOr(otherwise func() tea.Cmd) tea.Cmd
	// startOver returns to where the session began: the state of the installation, or the first
	// question.
	startOver() tea.Cmd
	// askAgain returns from a later screen to the questions.
	askAgain() tea.Cmd
	// finish ends the program.
	finish() tea.Cmd
	// leave ends the program as soon as nothing is being written any more.
	leave(sig syscall.Signal) tea.Cmd
}

// keyPress is a key, with its name. The name of pasted text is empty.
type keyPress struct {
	tea.KeyMsg
	name string
}

// ui is what the screens share.
type ui struct {
	router
	ctx       context.Context
	listening context.Context // messages of jobs are received until it ends, which is after ctx: jobs still report that they were stopped
	options   Options
	session   *session.Session
	place     place // the screen that is shown
	theme     theme.Theme
	spinner   spinner.Model
	log       logview.Figures
	after     func(time.Duration, tea.Msg) tea.Cmd         // tea.Tick; tests replace it
	watch     func(func() tea.Msg) tea.Cmd                 // waits for what may never happen: guard; tests replace it
	exec      func(*exec.Cmd, func(error) tea.Msg) tea.Cmd // lends the terminal to another program: tea.ExecProcess; tests replace it

	width, height int
	job           *job
	notice        string         // a sentence in place of the line of help, until the next key
	leaving       syscall.Signal // the user wants to leave, and a job has to end first; 0: no
}

// turn advances the spinner. It does not turn in tests, which have no ticks.
func (u *ui) turn() tea.Cmd { return u.after(u.spinner.Spinner.FPS, u.spinner.Tick()) }

// bind names a key for the line of help.
func bind(shown, does string) key.Binding {
	return key.NewBinding(key.WithKeys(shown), key.WithHelp(shown, does))
}

// logMsg reports new log lines.
type logMsg struct{}

// watchLog waits for the next line.
func (u *ui) watchLog() tea.Cmd {
	log, done := u.options.Log, u.ctx.Done()
	return u.watch(func() tea.Msg {
		select {
		case <-log.Wake():
			return logMsg{}
		case <-done:
			return nil
		}
	})
}

// readLog reads the log. It does not count requests while the checks run: their failed logins are
// intended.
func (u *ui) readLog() { u.log.Read(u.options.Log, u.job == nil || !u.job.probes) }
