package tui

import (
	"context"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"packhouse/finding"
	"packhouse/setup/question"
	"packhouse/tui/layout"
	"packhouse/tui/preview"
	"packhouse/tui/session"
)

// questionsScreen asks the questions of one step at a time.
type questionsScreen struct {
	*ui
	forms   []*form // one for each open step of the session
	glance  *glance
	preview preview.Preview
}

// Messages of the screen.
type (
	// probedMsg carries the findings of the probes of a step.
	probedMsg struct {
		form     *form
		findings session.Probed
	}
	// outlookMsg carries new findings about the machine.
	outlookMsg struct{ findings []finding.Finding }
)

// Init implements screen: it shows the first of the session's steps.
func (s *questionsScreen) Init() tea.Cmd {
	s.build()
	s.openStep(0)
	return nil
}

// build makes the forms of the session's steps.
func (s *questionsScreen) build() {
	s.forms, s.glance = nil, &glance{}
	for _, step := range s.session.Steps {
		s.forms = append(s.forms, newForm(s.ui, step, s.glance, s.refreshPreview))
	}
}

// form returns the form of the current step.
func (s *questionsScreen) form() *form { return s.forms[s.session.At] }

// enter shows a step. The answers stay.
func (s *questionsScreen) enter(index int) {
	s.session.Enter(index)
	s.form().enter()
	s.refreshPreview()
	s.preview.Rebase() // it marks what this step changes
}

// blocked reports whether an answer of any step is refused, and opens the first such step: a later
// answer can make an earlier one impossible.
func (s *questionsScreen) blocked() bool {
	if len(s.session.Steps) == 0 {
		return false
	}
	for i, f := range s.forms {
		for _, e := range f.entries {
			e.sync()
		}
		if f.refuse() {
			s.openStep(i)
			s.notice = "correct the marked answers first"
			return true
		}
	}
	return false
}

// stuck reports whether an answer of a step that the user has seen is refused.
func (s *questionsScreen) stuck(step int) bool { return step < len(s.forms) && s.forms[step].stuck() }

// Update implements screen.
func (s *questionsScreen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case keyPress:
		return s.key(msg)
	case probedMsg:
		return s.probed(msg)
	case outlookMsg:
		return s.lookedAhead(msg)
	case glancedMsg:
		s.glance.store(msg)
	}
	return nil
}

func (s *questionsScreen) key(msg keyPress) tea.Cmd {
	f := s.form()
	if s.job != nil { // answers do not change while they are probed
		if msg.name == "esc" {
			s.cancelJob()
			s.notice = "stopped trying"
		}
		return nil
	}
	switch f.key(msg) {
	case forward:
		return s.next()
	case back:
		switch {
		case s.backToSettings(s.session.At):
		case s.session.At > 0:
			s.openStep(s.session.At - 1)
		case s.session.Managed:
			s.session.Keep()
			return s.home()
		default:
			s.notice = "this is the first step; ctrl+c leaves"
		}
	case stay:
	}
	return nil
}

// next leaves the step forwards, if no answer is refused.
func (s *questionsScreen) next() tea.Cmd {
	f := s.form()
	if !f.probed { // a probe that failed before may succeed now
		f.forgetProbes()
	}
	if f.refuse() {
		s.notice = "correct the marked answers first"
		return nil
	}
	if finding.AnyRefused(s.session.Outlook) {
		return s.lookAhead()
	}
	if f.probed {
		return s.forward(f)
	}
	cmd := s.probe(f)
	if cmd == nil {
		f.probed = true
		return s.forward(f)
	}
	return cmd
}

// probe probes the answers of a step. It returns nil if there is nothing to probe.
func (s *questionsScreen) probe(f *form) tea.Cmd {
	var questions []*question.Question
	var titles []string
	probes := false
	for _, e := range f.asked() {
		questions = append(questions, e.question)
		if e.question.Probe != nil {
			probes = true
			titles = append(titles, strings.ToLower(e.question.Title))
		}
	}
	if !probes {
		return nil
	}
	probe := s.session.Prober(questions)
	return s.start(s, "trying "+strings.Join(titles, ", "), func(ctx context.Context, _ func(tea.Msg)) tea.Msg {
		return probedMsg{f, probe(ctx)}
	})
}

// probed shows the findings of a probe, and continues if there are none.
func (s *questionsScreen) probed(msg probedMsg) tea.Cmd {
	f := msg.form
	f.probed = true
	for _, e := range f.entries {
		e.tried = msg.findings[e.question]
	}
	if f.refuse() {
		f.probed = false
		s.notice = "correct the marked answers first"
		return nil
	}
	return s.forward(f)
}

// forward opens the next step. It stops once at a warning, so that it is read.
func (s *questionsScreen) forward(f *form) tea.Cmd {
	if !f.accepted {
		f.accepted = true
		for i, e := range f.asked() {
			for _, tried := range e.tried {
				if tried.Severity == finding.Warning {
					f.move(i)
					s.notice = "press enter again to continue despite the warning"
					return nil
				}
			}
		}
	}
	switch next := s.session.At + 1; {
	case s.backToSettings(min(next, len(s.forms))):
	case next < len(s.forms):
		s.openStep(next)
	default:
		s.session.Purpose = session.ForAnswers
		return s.open(reviewing)
	}
	return nil
}

// lookAhead checks again what blocked the wizard before its first question, because the user may
// have fixed it.
func (s *questionsScreen) lookAhead() tea.Cmd {
	check := s.session.OutlookChecker()
	return s.start(s, "checking this machine again", func(context.Context, func(tea.Msg)) tea.Msg { return outlookMsg{check()} })
}

// lookedAhead continues if nothing blocks the wizard any more.
func (s *questionsScreen) lookedAhead(msg outlookMsg) tea.Cmd {
	s.session.Outlook = msg.findings
	for _, f := range s.session.Outlook {
		if f.Severity == finding.Refused {
			s.notice = "fix this first; enter checks again"
			if s.height < normalHeight { // the finding itself may not be visible
				s.notice = f.String() + "; enter checks again"
			}
			return nil
		}
	}
	return s.next()
}

// glanceAt inspects the current answer if it has changed.
func (s *questionsScreen) glanceAt() tea.Cmd {
	if s.glance.busy {
		return nil
	}
	e := s.form().current()
	if e == nil || e.question.Kind != question.Path || e.question.ID == s.glance.question && e.known == s.glance.answer {
		return nil
	}
	s.glance.busy = true
	inspect, ctx := s.session.Glancer(e.question), s.ctx
	id, answer := e.question.ID, e.known
	return guard(func() tea.Msg { return mailMsg{s, glancedMsg{id, answer, inspect(ctx)}} })
}

// View implements screen.
func (s *questionsScreen) View(width, height int) ([]string, string) {
	f := s.form()
	var intro []string
	if s.session.At == 0 {
		for _, found := range s.session.Intro() {
			intro = append(intro, s.drawFinding(found, width)...)
		}
		if len(intro) > 0 {
			intro = append(intro, "")
		}
	}
	f.explain(true)
	view := f.view(width)
	if len(intro)+len(view.Lines) > height {
		f.explain(false)
		view = f.view(width)
	}
	view.Lines, view.Focus, view.Until = append(intro, view.Lines...), view.Focus+len(intro), view.Until+len(intro)
	_, f.top = layout.Window(view.Lines, f.top, view.Until, height)
	return layout.Scroll(view.Lines, &f.top, view.Focus, height)
}

// refreshPreview updates the preview of myconfig.yml.
func (s *questionsScreen) refreshPreview() { s.preview.Update(s.session.Preview()) }

// previewLines draws the preview. It returns the line to keep visible, and the lines to mark.
func (s *questionsScreen) previewLines(width int) (lines []string, focus int, marks map[int]bool) {
	return s.theme.YAML(string(s.preview.Text), width), s.preview.Focus + 2, s.preview.Changed
}

// Keys implements screen.
func (s *questionsScreen) Keys(long bool) []key.Binding {
	leave := bind("ctrl+c", "leave")
	if long {
		leave = bind("ctrl+c", "leave (nothing is written before the review)")
	}
	if s.job != nil {
		return []key.Binding{bind("esc", "stop trying"), leave}
	}
	f := s.form()
	keys := f.keys()
	if e := f.current(); e != nil && e.field.Modal() {
		return append(keys, bind("f1", "why"), bind("ctrl+c", "leave"))
	}
	if !f.takesEnter() {
		keys = append(keys, bind("enter", "next"))
	}
	if s.session.At > 0 || s.session.Managed {
		keys = append(keys, bind("esc", "back"))
	}
	why := bind("?", "why")
	if f.takesQuestionMark() {
		why = bind("f1", "why")
	}
	keys = append(keys, why, leave)
	if f.last() > 0 {
		keys = append(keys, bind("tab", "next field"))
	}
	return keys
}

// Title implements screen.
func (s *questionsScreen) Title() string { return layout.Clean(s.form().step.Title) }

// Help implements screen.
func (s *questionsScreen) Help() string { return generalHelp }
