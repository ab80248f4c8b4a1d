package tui

import (
	"context"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/charmbracelet/bubbles/help"
	"github.com/charmbracelet/bubbles/spinner"
	tea "github.com/charmbracelet/bubbletea"

	"packhouse/finding"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/plan"
	"packhouse/setup/question"
	"packhouse/tui/theme"
)

// slowAfter is how long a job may take before a spinner is worth its restlessness.
const slowAfter = 200 * time.Millisecond

// The size of the window until the terminal reports its own.
const (
	assumedWidth  = 80
	assumedHeight = 24
)

// phase is the screen that is shown.
type phase int

const (
	beginning phase = iota // the machine is looked at
	asking
	reviewing
	applying
	checking
	handing   // the card
	serving   // the log
	managing  // the state of an installation
	choosing  // which of the settings to change
	repairing // a myconfig.yml that the server refuses
)

// model is the state of the wizard. Only the goroutine of the terminal library touches it.
type model struct {
	ctx       context.Context
	listening context.Context // messages of jobs are received until it ends, which is after ctx: jobs still report that they were stopped
	options   Options
	theme     theme.Theme
	help      help.Model
	spinner   spinner.Model
	after     func(time.Duration, tea.Msg) tea.Cmd         // tea.Tick, but for tests
	watch     func(func() tea.Msg) tea.Cmd                 // waits for what may never come; guard, but for tests
	exec      func(*exec.Cmd, func(error) tea.Msg) tea.Cmd // hands the terminal to another program; tea.ExecProcess, but for tests
	quit      func()                                       // ends the program from where no command can be returned

	first         tea.Cmd // what has to run from the beginning
	width, height int
	phase         phase
	job           *job
	notice        string // one sentence above the line of help; the next key takes it away
	helpOpen      bool
	helpTop       int
	leaving       syscall.Signal // the user wants to leave, and a job has to end first
	broken        *PanicError
	mended        bool // a configuration that was refused was repaired, line by line

	machine   *machine.Machine
	installed *installation.Installed
	answers   question.Answers
	origins   map[string]answer.Origin
	kept      *answer.Resolved  // changed answers of a screen that the user left, restored when it opens again
	findings  []finding.Finding // that came with the beginning
	outlook   []finding.Finding // of the machine, likewise
	glance    glance
	forms     []*form
	at        int // the form in front
	reached   int // the furthest one that was in front
	preview   preview

	manager   manager
	settings  settings
	repair    repair
	dashboard dashboard
	plan      *plan.Plan
	review    review
	apply     progress
	checks    checks
	card      card
	running   installation.Running
	up        atomic.Pointer[installation.Running] // the last server that started, even if no one waited for it any more

	passwords []plan.Password // generated in this sitting and in force, for the card only
	given     []string        // users whose password was set in this session
	log       logScreen
	outcome   Outcome
}

// Messages of the model's own.
type (
	// leaveMsg asks to leave, whatever the screen is about. A line that drops says so in several ways at once: only again is asking twice.
	leaveMsg struct {
		signal syscall.Signal
		again  bool
	}
	slowMsg  struct{ job *job } // the job takes long
	begunMsg struct {
		beginning Beginning
		err       error
	}
)

func newModel(ctx context.Context, o Options) *model {
	t := theme.For(o.Out, !o.NoColour && theme.Colour())
	m := &model{
		ctx: ctx, listening: ctx, options: o, theme: t, help: t.Help(), spinner: t.Spinner(),
		width: assumedWidth, height: assumedHeight,
		after: func(d time.Duration, msg tea.Msg) tea.Cmd { return tea.Tick(d, func(time.Time) tea.Msg { return msg }) },
		watch: guard,
		exec:  func(command *exec.Cmd, then func(error) tea.Msg) tea.Cmd { return tea.ExecProcess(command, then) },
		quit:  func() {},
	}
	if o.Begin == nil {
		m.first = m.begin(Beginning{Machine: o.Machine, Installed: o.Installed, Resolved: o.Resolved, Findings: o.Findings})
	}
	return m
}

// begin takes in what the wizard starts from, and shows the first step.
func (m *model) begin(b Beginning) tea.Cmd {
	m.take(b)
	switch {
	case m.phase == managing:
		m.manager.enter(m.firstTask())
		return nil
	case m.installed.Refused():
		return m.openRepair()
	}
	return m.answer("")
}

// take takes in what the wizard starts from.
func (m *model) take(b Beginning) {
	m.machine, m.installed, m.answers, m.findings, m.outlook = b.Machine, b.Installed, b.Resolved.Answers, b.Findings, b.outlook
	m.origins = make(map[string]answer.Origin, len(b.Resolved.Origins))
	maps.Copy(m.origins, b.Resolved.Origins)
	if b.State != nil {
		m.manager.on, m.manager.state, m.phase = true, b.State, managing
		m.forms = nil
	}
}

// resolved returns the current answers.
func (m *model) resolved() answer.Resolved {
	answers := m.answers
	answers.SANs, answers.Users = slices.Clone(answers.SANs), slices.Clone(answers.Users)
	answers.NoSANs, answers.RemoveUsers = slices.Clone(answers.NoSANs), slices.Clone(answers.RemoveUsers)
	origins := make(map[string]answer.Origin, len(m.origins))
	maps.Copy(origins, m.origins)
	return answer.Resolved{Answers: answers, Origins: origins}
}

// Init starts what has to run from the beginning.
func (m *model) Init() tea.Cmd {
	if m.options.Begin == nil {
		return tea.Batch(m.watchLog(), m.first)
	}
	return tea.Batch(
		m.watchLog(),
		m.start("looking at this machine", func(ctx context.Context, _ func(tea.Msg)) tea.Msg {
			b, err := m.lookAround(ctx)
			return begunMsg{b, err}
		}),
	)
}

// update handles a message, then inspects the answer in front.
func (m *model) update(msg tea.Msg) tea.Cmd {
	cmd := m.takeIn(msg)
	return tea.Batch(cmd, m.glanceAt())
}

func (m *model) takeIn(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		if msg.Width <= 0 || msg.Height <= 0 {
			m.width, m.height = assumedWidth, assumedHeight
		}
		return nil
	case tea.KeyMsg:
		return m.key(msg)
	case leaveMsg:
		if m.leaving != 0 && !msg.again {
			return nil
		}
		return m.leave(msg.signal)
	case panicMsg:
		m.broken = msg.err
		return tea.Quit
	case slowMsg:
		if msg.job != m.job {
			return nil
		}
		m.job.slow = true
		return m.turn()
	case spinner.TickMsg:
		if m.job == nil {
			return nil
		}
		var cmd tea.Cmd
		m.spinner, cmd = m.spinner.Update(msg)
		return cmd
	case logMsg:
		m.log.refresh(m.options.Log)
		m.countLog()
		return m.watchLog()
	case beatMsg:
		return m.beat()
	case stateMsg:
		m.dashboard.state = msg.state
		return nil
	case endedMsg:
		return m.serverEnded(msg)
	case editedMsg:
		return m.edited(msg)
	case removedMsg:
		return m.removed(msg)
	case glancedMsg:
		m.glanced(msg)
		return nil
	case jobMsg:
		return m.heard(msg)
	}
	return nil
}

// turn advances the spinner. It stands still in tests, which have no ticks.
func (m *model) turn() tea.Cmd {
	return m.after(m.spinner.Spinner.FPS, m.spinner.Tick())
}

// heard handles a message of the job. The job has ended before its result is drawn, so that keys work at once.
func (m *model) heard(msg jobMsg) tea.Cmd {
	if msg.job != m.job {
		return nil
	}
	if !msg.end {
		return tea.Batch(msg.job.next(), m.said(msg.msg))
	}
	cmd := m.said(msg.msg)
	if m.job == msg.job { // and did not make place for another one
		m.job.cancel()
		m.job = nil
	}
	if m.leaving != 0 && m.job == nil {
		return m.leave(m.leaving)
	}
	return cmd
}

// said takes in one thing that a job says.
func (m *model) said(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case panicMsg:
		m.broken = msg.err
		return tea.Quit
	case begunMsg:
		if msg.err != nil {
			m.notice, m.manager.state = msg.err.Error(), nil
			return nil
		}
		return m.begin(msg.beginning)
	case faultsMsg:
		return m.foundFaults(msg)
	case outlookMsg:
		return m.lookedAhead(msg)
	case probedMsg:
		return m.probed(msg)
	case plannedMsg:
		m.planned(msg)
	case proveMsg:
		return m.proveAsIs(msg)
	case writingMsg:
		m.apply.writing(msg)
	case appliedMsg:
		return m.applied(msg)
	case startedMsg:
		return m.started(msg)
	case upMsg:
		return m.serverUp(msg)
	case stoppedMsg:
		return m.serverStopped(msg)
	case goneMsg:
		return m.gone(msg)
	case checkMsg:
		m.checks.event(msg.event)
	case provedMsg:
		m.proved(msg)
	}
	return nil
}

// leave ends the program, as soon as nothing is being written any more. Nothing is asked back: before the review there is nothing to lose, and
// afterwards everything is in the files.
func (m *model) leave(sig syscall.Signal) tea.Cmd {
	if m.phase == applying && m.job != nil &&
		m.leaving == 0 { // a second request ends the program at once: the next run finishes or undoes the change
		m.leaving = sig
		m.job.cancel()
		m.apply.doing = "stopping; what was begun is put back"
		return nil
	}
	// A server that was asked for and runs has done its duty when it is stopped: that is its normal end.
	if !(m.phase == serving && sig != syscall.SIGHUP) {
		m.outcome.Signal = sig
	}
	return m.finish()
}

// finish ends the program.
func (m *model) finish() tea.Cmd {
	m.cancelJob()
	m.outcome.Resolved = m.resolved()
	m.outcome.Managed = m.manager.on
	if len(m.generated()) > 0 && !m.card.looked {
		m.outcome.Unseen = m.generated()
	}
	return tea.Quit
}

// key takes a key in.
func (m *model) key(msg tea.KeyMsg) tea.Cmd {
	if msg.Type == tea.KeyEsc && msg.Alt { // pressed twice on a slow line: both arrive at once, and look like one key
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
	switch m.phase {
	case beginning:
		if name == "esc" {
			return m.leave(syscall.SIGINT)
		}
	case asking:
		return m.askingKey(msg, name)
	case reviewing:
		return m.reviewKey(name)
	case applying:
		if name == "esc" && m.job != nil {
			m.job.cancel()
			m.apply.doing = "stopping; what was begun is put back"
		}
		if m.job == nil {
			return m.failedApplyKey(name)
		}
	case checking:
		return m.checksKey(name)
	case handing:
		return m.cardKey(name)
	case serving:
		return m.logKey(name)
	case managing:
		return m.managerKey(name)
	case choosing:
		return m.settingsKey(name)
	case repairing:
		return m.repairKey(name)
	}
	return nil
}

// takesQuestionMark reports whether the input accepts a question mark.
func (m *model) takesQuestionMark() bool {
	return m.phase == asking && m.job == nil && m.form().takesQuestionMark()
}

// clean makes text of other origin safe to draw: one line's worth of it per line, nothing that acts on the terminal.
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
