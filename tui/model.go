package tui

import (
	"context"
	"os/exec"
	"syscall"
	"time"

	"github.com/charmbracelet/bubbles/help"
	"github.com/charmbracelet/bubbles/spinner"
	tea "github.com/charmbracelet/bubbletea"

	"packhouse/tui/layout"
	"packhouse/tui/session"
	"packhouse/tui/theme"
)

// The size of the window until the terminal reports its own.
const (
	assumedWidth  = 80
	assumedHeight = 24
)

// model routes messages to the screens and draws the frame around them. Only the goroutine of the
// terminal library uses it.
type model struct {
	*ui
	help     help.Model
	quit     func()  // ends the program from where no command can be returned
	first    tea.Cmd // what Init runs
	broken   *PanicError
	helpOpen bool
	helpTop  int

	screens   [places]screen
	questions *questionsScreen
	review    *reviewScreen
	apply     *applyScreen
	checks    *checksScreen
	card      *cardScreen
	manager   *managerScreen
	settings  *settingsScreen
	repair    *repairScreen
}

var _ router = (*model)(nil)

// Messages of the model's own.
type (
	// leaveMsg asks to leave any screen. A terminal that is closed sends several: only again means
	// that the user asked twice.
	leaveMsg struct {
		signal syscall.Signal
		again  bool
	}
	// slowMsg reports that a job takes long.
	slowMsg struct{ job *job }
	// mailMsg carries a message to the screen that it is for.
	mailMsg struct {
		to  screen
		msg tea.Msg
	}
)

func newUI(ctx context.Context, o Options) *ui {
	t := theme.For(o.Out, !o.NoColour && theme.Colour())
	return &ui{
		ctx: ctx, listening: ctx, options: o, session: session.New(o.Options), theme: t, spinner: t.Spinner(),
		width: assumedWidth, height: assumedHeight,
		after: func(d time.Duration, msg tea.Msg) tea.Cmd { return tea.Tick(d, func(time.Time) tea.Msg { return msg }) },
		watch: guard,
		exec: func(command *exec.Cmd, then func(error) tea.Msg) tea.Cmd {
			return tea.ExecProcess(command, then)
		},
	}
}

func newModel(ctx context.Context, o Options) *model {
	u := newUI(ctx, o)
	m := &model{
		ui: u, help: u.theme.Help(), quit: func() {},
		questions: &questionsScreen{ui: u}, review: &reviewScreen{ui: u}, apply: &applyScreen{ui: u}, checks: &checksScreen{ui: u},
		card: &cardScreen{ui: u}, manager: &managerScreen{ui: u}, settings: &settingsScreen{ui: u}, repair: &repairScreen{ui: u},
	}
	u.router = m
	m.screens = [places]screen{
		beginning: &beginningScreen{ui: u}, asking: m.questions, reviewing: m.review, applying: m.apply, checking: m.checks,
		handing: m.card, serving: &logScreen{ui: u}, managing: m.manager, choosing: m.settings, repairing: m.repair,
	}
	if u.session.Options.Begin == nil {
		m.first = m.begun()
	}
	return m
}

// screen returns the screen that is shown.
func (m *model) screen() screen { return m.screens[m.place] }

// Init starts the session and watches the log.
func (m *model) Init() tea.Cmd {
	if m.session.Options.Begin != nil {
		m.first = m.open(beginning)
	}
	return tea.Batch(m.watchLog(), m.first)
}

// update handles a message, then inspects the current answer.
func (m *model) update(msg tea.Msg) tea.Cmd {
	cmd := m.route(msg)
	if m.place == asking {
		cmd = tea.Batch(cmd, m.questions.glanceAt())
	}
	return cmd
}

// route handles a message itself, or passes it to the screen that it is for.
func (m *model) route(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		if msg.Width <= 0 || msg.Height <= 0 {
			m.width, m.height = assumedWidth, assumedHeight
		}
	case tea.KeyMsg:
		return m.key(msg)
	case leaveMsg:
		if m.leaving == 0 || msg.again {
			return m.leave(msg.signal)
		}
	case panicMsg:
		m.broken = msg.err
		return tea.Quit
	case slowMsg:
		if msg.job == m.job {
			m.job.slow = true
			return m.turn()
		}
	case spinner.TickMsg:
		if m.job != nil {
			var cmd tea.Cmd
			m.spinner, cmd = m.spinner.Update(msg)
			return cmd
		}
	case logMsg:
		m.readLog()
		return m.watchLog()
	case endedMsg:
		if msg.running == m.session.Running {
			m.notice = "the server has ended; its log says why"
		}
	case mailMsg:
		return msg.to.Update(msg.msg)
	case jobMsg:
		return m.received(msg)
	}
	return nil
}

// received handles a message of the job. A job has ended when its result is drawn, so that keys
// work at once.
func (m *model) received(msg jobMsg) tea.Cmd {
	if msg.job != m.job {
		return nil
	}
	if broken, ok := msg.msg.(panicMsg); ok {
		return m.route(broken)
	}
	cmd := msg.job.to.Update(msg.msg)
	if !msg.end {
		return tea.Batch(msg.job.next(), cmd)
	}
	if m.job == msg.job { // the result started no other job
		m.job.cancel()
		m.job = nil
	}
	if m.leaving != 0 && m.job == nil {
		return m.leave(m.leaving)
	}
	return cmd
}

// key handles a key.
func (m *model) key(msg tea.KeyMsg) tea.Cmd {
	if msg.Type == tea.KeyEsc && msg.Alt { // Esc pressed twice on a slow line: both arrive at once, and look like one key
		msg.Alt = false
	}
	name := msg.String()
	if msg.Paste {
		name = ""
	}
	if name == "ctrl+c" {
		return m.leave(syscall.SIGINT)
	}
	m.notice = ""
	if m.helpOpen {
		m.helpKey(name)
		return nil
	}
	if name == "f1" || name == "?" && !m.takesQuestionMark() {
		m.helpOpen, m.helpTop = true, 0
		return nil
	}
	return m.screen().Update(keyPress{msg, name})
}

// takesQuestionMark reports whether a question mark is part of an answer.
func (m *model) takesQuestionMark() bool {
	return m.place == asking && m.job == nil && m.questions.form().takesQuestionMark()
}

func (m *model) open(p place) tea.Cmd {
	if p == reviewing && m.session.Purpose == session.ForAnswers && m.questions.blocked() {
		return nil
	}
	m.place = p
	return m.screens[p].Init()
}

func (m *model) show(p place) { m.place = p }

func (m *model) openStep(index int) {
	if len(m.session.Steps) == 0 {
		m.place = reviewing
		return
	}
	m.place = asking
	m.questions.enter(index)
}

func (m *model) openSettings() tea.Cmd {
	m.session.Resume("")
	m.session.FromList = true
	m.questions.build()
	m.settings.Chooser = layout.Chooser{}
	m.place = choosing
	return nil
}

func (m *model) backToSettings(at int) bool {
	if !m.session.FromList {
		return false
	}
	m.settings.At = at
	m.place = choosing
	return true
}

func (m *model) begun() tea.Cmd {
	switch {
	case m.session.Managed:
		m.place = managing
		m.manager.enter(m.session.FirstTask())
		return nil
	case m.session.Installed.Refused():
		return m.open(repairing)
	}
	m.session.Open("")
	return m.open(asking)
}

func (m *model) home() tea.Cmd {
	m.place, m.session.Plan = managing, nil
	m.manager.Top = 0
	return m.screens[beginning].Init()
}

func (m *model) homeOr(otherwise func() tea.Cmd) tea.Cmd {
	if m.session.Managed {
		return m.home()
	}
	return otherwise()
}

func (m *model) startOver() tea.Cmd {
	if m.session.Managed {
		return m.home()
	}
	if m.session.Options.Begin == nil {
		m.session.Open("")
		return m.open(asking)
	}
	m.session.Plan, m.session.Purpose = nil, session.ForAnswers
	return m.open(beginning)
}

func (m *model) askAgain() tea.Cmd {
	m.cancelJob()
	switch {
	case m.session.Purpose == session.ForRepair:
		return m.startOver()
	case len(m.session.Steps) == 0:
		return m.homeOr(func() tea.Cmd { return m.leave(syscall.SIGINT) })
	case !m.backToSettings(m.settings.At):
		m.openStep(len(m.session.Steps) - 1)
	}
	return nil
}

// leave does not ask for confirmation: before the review nothing is written, and afterwards
// everything is in the files.
func (m *model) leave(sig syscall.Signal) tea.Cmd {
	if m.place == applying && m.job != nil && m.leaving == 0 { // a second request ends the program at once: the next run finishes or undoes the change
		m.leaving = sig
		m.apply.stop()
		return nil
	}
	// A server that was started and runs is stopped by the signal: that is its normal end.
	if m.place != serving || sig == syscall.SIGHUP {
		m.session.Outcome.Signal = sig
	}
	return m.finish()
}

func (m *model) finish() tea.Cmd {
	m.cancelJob()
	m.session.Finish()
	return tea.Quit
}
