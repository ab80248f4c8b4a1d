package tui

import (
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"packhouse/setup/check"
	"packhouse/setup/plan"
	"packhouse/tui/describe"
	"packhouse/tui/layout"
	"packhouse/tui/theme"
)

// cardScreen shows what clients need to use the registry.
type cardScreen struct {
	*ui
	top    int
	reveal bool       // the generated passwords are visible
	warned *plan.Plan // the change whose passwords the user was reminded of
}

// Init implements screen.
func (c *cardScreen) Init() tea.Cmd {
	c.top, c.reveal = 0, false
	return nil
}

// Update implements screen.
func (c *cardScreen) Update(msg tea.Msg) tea.Cmd {
	pressed, ok := msg.(keyPress)
	if !ok {
		return nil
	}
	c.top = layout.Scrolled(c.top, pressed.name, c.height)
	switch pressed.name {
	case "p":
		if len(c.session.Generated) > 0 {
			c.reveal, c.session.Viewed, c.top = !c.reveal, true, 0
		}
	case "esc":
		c.reveal = false
		c.show(checking)
	case "enter", "l", "q":
		if c.unseen() {
			return nil
		}
		c.reveal = false
		if pressed.name != "q" && c.session.Running != nil {
			return c.open(serving)
		}
		return c.homeOr(c.finish)
	}
	return nil
}

// unseen reminds the user once if the generated passwords were not shown. It reports whether it
// did.
func (c *cardScreen) unseen() bool {
	if len(c.session.Generated) == 0 || c.session.Viewed || c.warned == c.session.Outcome.Plan {
		return false
	}
	c.warned = c.session.Outcome.Plan
	c.notice = "the generated password has not been shown: p shows it; press the key again to continue"
	return true
}

// Title implements screen.
func (c *cardScreen) Title() string {
	switch c.session.Outcome.Report.Worst() {
	case check.Failed:
		return "Written, but not working yet"
	case check.Warning:
		return "The registry works, with warnings"
	default:
		return "The registry works"
	}
}

// Help implements screen.
func (c *cardScreen) Help() string { return cardHelp }

// View implements screen.
func (c *cardScreen) View(width, height int) ([]string, string) {
	return layout.Scroll(c.cardLines(width), &c.top, -1, height)
}

// Keys implements screen.
func (c *cardScreen) Keys(long bool) []key.Binding {
	say := func(inFull, short string) string {
		if long {
			return inFull
		}
		return short
	}
	var keys []key.Binding
	if generated := len(c.session.Generated); generated > 0 {
		what := "password"
		if generated > 1 {
			what = "passwords"
		}
		if c.reveal {
			keys = append(keys, bind("p", say("hide "+what, "hide")))
		} else {
			keys = append(keys, bind("p", say("show "+what, what)))
		}
	}
	home := say("back to the start", "back")
	log := say("keep serving, show the log", "serve")
	switch {
	case c.session.Running != nil && c.session.Managed:
		keys = append(keys, bind("enter", log), bind("q", home))
	case c.session.Managed:
		keys = append(keys, bind("enter", home))
	case c.session.Running != nil:
		keys = append(keys, bind("enter", log), bind("q", say("stop and leave", "leave")))
	default:
		keys = append(keys, bind("enter", "leave"))
	}
	return append(keys, bind("esc", "checks"), bind("↑↓", "scroll"), bind("?", "help"))
}

// cardLines draws the card.
func (c *cardScreen) cardLines(width int) []string {
	t := c.theme
	card := c.session.Outcome.Card
	var lines []string
	sign, style := theme.Done, t.Good
	switch c.session.Outcome.Report.Worst() {
	case check.Failed:
		sign, style = theme.Failed, t.Bad
	case check.Warning:
		sign, style = theme.Caution, t.Warning
	}
	lines = append(lines, style.Render(layout.Cut(sign+" "+describe.Report(c.session.Outcome.Report), width)), "")
	row := func(label, value string) {
		if value == "" {
			return
		}
		const labelWidth = 12
		value = layout.Clean(value)
		if ansi.StringWidth(value) > width-labelWidth { // text to copy gets a line of its own
			lines = append(lines, t.Muted.Render(label))
			lines = append(lines, layout.Wrap(value, width)...)
			return
		}
		lines = append(lines, t.Muted.Render(layout.Pad(label, labelWidth))+value)
	}
	row("URL", card.URL)
	row("user", card.User)
	lines = append(lines, c.passwordLines(width)...)
	if card.CAFile != "" {
		row("certificate", card.CAFile)
		lines = append(lines, t.Muted.Render(layout.Cut(layout.Pad("", 12)+"give this file to every client", width)))
	}
	if card.MoveCAKey != nil {
		lines = append(lines, "")
		lines = append(lines, layout.Wrap(layout.Clean(card.MoveCAKey.Title), width)...)
		lines = append(lines, layout.Shell(layout.Clean(card.MoveCAKey.Line), width)...)
	}
	for _, command := range card.Commands {
		lines = append(lines, "", t.Title.Render(layout.Clean(command.Title)))
		lines = append(lines, layout.Shell(layout.Clean(command.Line), width)...)
	}
	lines = append(lines, "")
	row("settings", card.Config)
	row("handoff", card.Handoff)
	if card.Fingerprint != "" || card.TrustPrint != "" {
		lines = append(lines, "", t.Title.Render(layout.Cut("SHA-256 fingerprints", width)))
		row("to trust", card.TrustPrint)
		row("server", card.Fingerprint)
	}
	if c.session.Outcome.Plan != nil { // the command that repeats the change
		lines = append(lines, "", t.Title.Render(layout.Cut("the same without questions (typed passwords excepted)", width)))
		lines = append(lines, layout.Shell(layout.Clean(c.session.Outcome.Plan.Resolved.CommandLine()), width)...)
	}
	return lines
}

// passwordLines says where the passwords are. It shows generated ones only on request.
func (c *cardScreen) passwordLines(width int) []string {
	t := c.theme
	label := func(text string) string { return t.Muted.Render(layout.Pad(text, 12)) }
	passwords := c.session.Generated
	if len(passwords) == 0 {
		if c.session.Outcome.Card.Password == "" {
			return nil
		}
		return []string{layout.Cut(label("password")+layout.Clean(c.session.Outcome.Card.Password), width)}
	}
	var lines []string
	for i, password := range passwords {
		name := "password"
		if i > 0 {
			name = ""
		}
		text := "••••••••"
		if c.reveal {
			text = password.Password.Reveal()
		}
		if len(passwords) > 1 || password.User != c.session.Outcome.Card.User {
			text += "  " + t.Muted.Render("of "+layout.Clean(password.User))
		}
		lines = append(lines, layout.Cut(label(name)+text, width))
	}
	it, stored := "it", "it is stored nowhere but as a hash"
	if len(passwords) > 1 {
		it, stored = "them", "they are stored nowhere but as hashes"
	}
	hint := "generated; p shows " + it + ", else initial-passwords keeps " + it
	switch {
	case c.reveal:
		hint = "keep " + it + " now: " + stored
	case c.session.Viewed:
		hint = "generated; p shows " + it + " again, nothing keeps " + it
	}
	for _, line := range layout.Wrap(hint, max(width-12, 12)) {
		lines = append(lines, layout.Cut(label("")+t.Muted.Render(line), width))
	}
	return lines
}
