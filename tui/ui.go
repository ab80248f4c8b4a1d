package tui

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/charmbracelet/bubbles/key"
	"github.com/charmbracelet/bubbles/spinner"
	tea "github.com/charmbracelet/bubbletea"

	"packhouse/tui/layout"
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
	log       serverLog
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

// scroll returns the visible lines, which include the line at index focus, and says how many lines
// are hidden.
func scroll(lines []string, top *int, focus, height int) ([]string, string) {
	shown, at := layout.Window(lines, *top, focus, height)
	*top = at
	above, below := at, len(lines)-at-len(shown)
	switch {
	case above > 0 && below > 0:
		return shown, fmt.Sprintf("↑ %d ↓ %d more", above, below)
	case above > 0:
		return shown, fmt.Sprintf("↑ %d more", above)
	case below > 0:
		return shown, fmt.Sprintf("↓ %d more", below)
	}
	return shown, ""
}

// scrolled returns the new first line of a text after a key: by lines, by half windows, or to
// either end. The next View limits it.
func scrolled(top int, name string, height int) int {
	switch name {
	case "up", "k":
		return top - 1
	case "down", "j":
		return top + 1
	case "pgup":
		return top - height/2
	case "pgdown", " ":
		return top + height/2
	case "home", "g":
		return 0
	case "end", "G":
		return 1 << 20
	}
	return top
}

// clean makes text from outside safe to draw: it keeps line ends, and replaces everything that
// could act on the terminal.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t':
			return ' '
		case r < ' ', r >= 0x7f && r < 0xa0, r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e,
			r >= 0x2060 && r <= 0x206f, r == 0xfeff:
			return '\ufffd'
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
}
