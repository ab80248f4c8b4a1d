package tui

import (
	"context"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"packhouse/setup/check"
	"packhouse/setup/machine"
	"packhouse/setup/plan"
	"packhouse/tui/layout"
	"packhouse/tui/theme"
)

// card is the screen with what one needs to use the registry.
type card struct {
	title  string
	top    int
	reveal bool // the generated passwords are shown
	looked bool // they were
	warned bool
}

// cardOf collects the content of the card. It resolves names, which may take seconds.
func cardOf(ctx context.Context, o Options, m *machine.Machine, planned *plan.Plan) plan.Card {
	if o.Card != nil {
		return o.Card(ctx, planned)
	}
	return plan.Handoff(ctx, m, planned)
}

// takeCard makes a card the one to show.
func (m *model) takeCard(made plan.Card) {
	m.outcome.Card = made
	// The plan knows of its own changes only; the sitting may have had others before it.
	c := &m.outcome.Card
	switch {
	case slices.ContainsFunc(m.passwords, func(p plan.Password) bool { return p.User == c.User }):
		c.Password = plan.PasswordShown
	case slices.Contains(m.given, c.User):
		c.Password = plan.PasswordGiven
	}
}

func (m *model) showCard() {
	m.phase = handing
	m.card.top = 0
	switch m.outcome.Report.Worst() {
	case check.Failed:
		m.card.title = "Written, and not working yet"
	case check.Warning:
		m.card.title = "The registry works, with something to look at"
	default:
		m.card.title = "The registry works"
	}
}

// generated are the passwords that were generated in this sitting.
func (m *model) generated() []plan.Password { return m.passwords }

func (m *model) cardKey(name string) tea.Cmd {
	c := &m.card
	switch name {
	case "up", "k":
		c.top--
	case "down", "j":
		c.top++
	case "pgup":
		c.top -= m.height / 2
	case "pgdown", " ":
		c.top += m.height / 2
	case "p":
		if len(m.generated()) > 0 {
			c.reveal = !c.reveal
			c.looked = true
			c.top = 0
		}
	case "esc":
		c.reveal = false
		m.phase = checking
	case "enter", "l":
		if m.unseen() {
			return nil
		}
		c.reveal = false
		if m.running == nil {
			return m.homeOr(m.finish)
		}
		return m.openLog()
	case "q":
		if m.unseen() {
			return nil
		}
		c.reveal = false
		return m.homeOr(m.finish)
	}
	return nil
}

// unseen asks once for confirmation before leaving if the generated passwords were not viewed.
func (m *model) unseen() bool {
	if len(m.generated()) == 0 || m.card.looked || m.card.warned {
		return false
	}
	m.card.warned = true
	m.notice = "the generated password has not been shown: p shows it; press the key again to continue"
	return true
}

func (m *model) cardKeys(words bool) []key.Binding {
	say := func(long, short string) string {
		if words {
			return long
		}
		return short
	}
	var keys []key.Binding
	if generated := len(m.generated()); generated > 0 {
		what := "password"
		if generated > 1 {
			what = "passwords"
		}
		if m.card.reveal {
			keys = append(keys, bind("p", say("hide "+what, "hide")))
		} else {
			keys = append(keys, bind("p", say("show "+what, what)))
		}
	}
	home := say("back to the start", "back")
	log := say("keep serving, show the log", "serve")
	switch {
	case m.running != nil && m.manager.on:
		keys = append(keys, bind("enter", log), bind("q", home))
	case m.manager.on:
		keys = append(keys, bind("enter", home))
	case m.running != nil:
		keys = append(keys, bind("enter", log), bind("q", say("stop and leave", "leave")))
	default:
		keys = append(keys, bind("enter", "leave"))
	}
	return append(keys, bind("esc", "checks"), bind("↑↓", "scroll"))
}

// cardLines draws the card.
func (m *model) cardLines(width int) []string {
	t := m.theme
	c := m.outcome.Card
	var lines []string
	sign, style := theme.Done, t.Good
	switch m.outcome.Report.Worst() {
	case check.Failed:
		sign, style = theme.Failed, t.Bad
	case check.Warning:
		sign, style = theme.Caution, t.Warning
	}
	lines = append(lines, style.Render(layout.Cut(sign+" "+summary(m.outcome.Report), width)), "")
	row := func(label, value string) {
		if value == "" {
			return
		}
		const labelWidth = 12
		value = clean(value)
		if ansi.StringWidth(value) > width-labelWidth { // text to copy gets a line of its own
			lines = append(lines, t.Muted.Render(label))
			lines = append(lines, layout.Wrap(value, width)...)
			return
		}
		lines = append(lines, t.Muted.Render(layout.Pad(label, labelWidth))+value)
	}
	row("URL", c.URL)
	row("user", c.User)
	lines = append(lines, m.passwordLines(width)...)
	if c.CAFile != "" {
		row("certificate", c.CAFile)
		lines = append(lines, t.Muted.Render(layout.Cut(layout.Pad("", 12)+"give this file to every client", width)))
	}
	if c.MoveCAKey != nil {
		lines = append(lines, "")
		lines = append(lines, layout.Wrap(clean(c.MoveCAKey.Title), width)...)
		lines = append(lines, shellLines(clean(c.MoveCAKey.Line), width)...)
	}
	for _, command := range c.Commands {
		lines = append(lines, "", t.Title.Render(clean(command.Title)))
		lines = append(lines, shellLines(clean(command.Line), width)...)
	}
	lines = append(lines, "")
	row("settings", c.Config)
	row("handoff", c.Handoff)
	if c.Fingerprint != "" || c.TrustPrint != "" {
		lines = append(lines, "", t.Title.Render(layout.Cut("SHA-256 fingerprints", width)))
		row("to trust", c.TrustPrint)
		row("server", c.Fingerprint)
	}
	if m.outcome.Plan != nil { // the command that repeats the change
		lines = append(lines, "", t.Title.Render(layout.Cut("the same without questions, passwords apart", width)))
		lines = append(lines, shellLines(clean(m.outcome.Plan.Resolved.CommandLine()), width)...)
	}
	return lines
}

// passwordLines says where the passwords are; the generated ones themselves only when they were asked for.
func (m *model) passwordLines(width int) []string {
	t := m.theme
	label := func(text string) string { return t.Muted.Render(layout.Pad(text, 12)) }
	passwords := m.generated()
	if len(passwords) == 0 {
		if m.outcome.Card.Password == "" {
			return nil
		}
		return []string{layout.Cut(label("password")+clean(m.outcome.Card.Password), width)}
	}
	var lines []string
	for i, password := range passwords {
		name := "password"
		if i > 0 {
			name = ""
		}
		text := "••••••••"
		if m.card.reveal {
			text = password.Password.Reveal()
		}
		if len(passwords) > 1 || password.User != m.outcome.Card.User {
			text += "  " + t.Muted.Render("of "+clean(password.User))
		}
		lines = append(lines, layout.Cut(label(name)+text, width))
	}
	it, stored := "it", "it is stored nowhere but as a hash"
	if len(passwords) > 1 {
		it, stored = "them", "they are stored nowhere but as hashes"
	}
	hint := "generated; p shows " + it + ", else initial-passwords keeps " + it
	switch {
	case m.card.reveal:
		hint = "keep " + it + " now: " + stored
	case m.card.looked:
		hint = "generated; p shows " + it + " again, nothing keeps " + it
	}
	for _, line := range layout.Wrap(hint, max(width-12, 12)) {
		lines = append(lines, layout.Cut(label("")+t.Muted.Render(line), width))
	}
	return lines
}

// shellLines breaks a command where a shell allows it, so that what is copied from the screen still works: between words, with a backslash.
// Spaces within quotes are no place to break.
func shellLines(line string, width int) []string {
	if ansi.StringWidth(line) <= width {
		return []string{line}
	}
	var out []string
	current, indent := "", ""
	for _, word := range flagsWithValues(shellWords(line), width-4) {
		switch {
		case current == "":
			current = indent + word
		case ansi.StringWidth(current)+1+ansi.StringWidth(word)+2 <= width:
			current += " " + word
		default:
			out = append(out, current+" \\")
			indent = "  "
			current = indent + word
		}
	}
	return append(out, current)
}

// flagsWithValues joins each flag with its value if both fit on a line, so that "--san localhost" is not split.
func flagsWithValues(words []string, width int) []string {
	var out []string
	for i := 0; i < len(words); i++ {
		word := words[i]
		if strings.HasPrefix(word, "-") && i+1 < len(words) && !strings.HasPrefix(words[i+1], "-") &&
			ansi.StringWidth(word+words[i+1])+1 <= width {
			i++
			word += " " + words[i]
		}
		out = append(out, word)
	}
	return out
}

// shellWords cuts a line at the spaces that are not quoted.
func shellWords(line string) []string {
	var words []string
	var word strings.Builder
	quote := rune(0)
	for _, r := range line {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '\'' || r == '"':
			quote = r
		case r == ' ':
			if word.Len() > 0 {
				words = append(words, word.String())
				word.Reset()
			}
			continue
		}
		word.WriteRune(r)
	}
	if word.Len() > 0 {
		words = append(words, word.String())
	}
	return words
}
