// Package theme defines styles: they use the terminal's sixteen colours, so that its own scheme for
// light and dark backgrounds applies, and never rely on colour alone.
package theme

import (
	"os"

	"github.com/charmbracelet/bubbles/cursor"
	"github.com/charmbracelet/bubbles/help"
	"github.com/charmbracelet/bubbles/spinner"
	"github.com/charmbracelet/bubbles/textinput"
	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"
)

// Symbols shown beside text, so that colour is never the only indication.
const (
	Done    = "✓"
	Failed  = "✗"
	Current = "●"
	Ahead   = "○"
	Caution = "!"
	Unknown = "?"
	Pointer = "›"
	Note    = "·"
	Changed = "▌" // in the margin of lines that an answer changed
)

// Theme is a set of styles for one terminal.
type Theme struct {
	Plain    lipgloss.Style
	Brand    lipgloss.Style // the program's name
	Title    lipgloss.Style // of a pane or a field
	Muted    lipgloss.Style // of secondary text
	Accent   lipgloss.Style // of the current position
	Good     lipgloss.Style
	Warning  lipgloss.Style
	Bad      lipgloss.Style
	Added    lipgloss.Style // in a diff
	Removed  lipgloss.Style
	Border   lipgloss.Style
	Cursor   lipgloss.Style
	KeyName  lipgloss.Style // in the help line
	Selected lipgloss.Style // the current row
	Key      lipgloss.Style // the name of a setting
}

// For returns the theme for the terminal out. It does not query the terminal: the profile is fixed.
// With colour off, bold and reverse remain, since they are not colours.
func For(out *os.File, colour bool) Theme {
	renderer := lipgloss.NewRenderer(out, termenv.WithProfile(termenv.ANSI))
	renderer.SetColorProfile(termenv.ANSI)
	renderer.SetHasDarkBackground(true) // unused, but prevents a query
	plain := renderer.NewStyle()
	paint := func(style lipgloss.Style, code string) lipgloss.Style {
		if !colour {
			return style
		}
		return style.Foreground(lipgloss.Color(code))
	}
	const red, green, yellow, cyan = "1", "2", "3", "6"
	return Theme{
		Plain:    plain,
		Brand:    paint(plain.Bold(true), cyan),
		Title:    plain.Bold(true),
		Muted:    plain.Faint(true),
		Accent:   paint(plain.Bold(true), cyan),
		Good:     paint(plain, green),
		Warning:  paint(plain, yellow),
		Bad:      paint(plain, red),
		Added:    paint(plain, green),
		Removed:  paint(plain, red),
		Border:   plain.Faint(true),
		Cursor:   plain.Reverse(true),
		KeyName:  plain.Bold(true),
		Selected: paint(plain.Bold(true), cyan),
		Key:      paint(plain, cyan),
	}
}

// Colour reports whether to use colours: NO_COLOR, if not empty, disables them (no-color.org).
func Colour() bool { return os.Getenv("NO_COLOR") == "" }

// Input applies the theme to an input line. Its cursor does not blink, so that a static frame
// causes no traffic on a slow connection.
func (t Theme) Input(input textinput.Model) textinput.Model {
	input.PromptStyle = t.Plain
	input.TextStyle = t.Plain
	input.PlaceholderStyle = t.Muted
	input.CompletionStyle = t.Muted
	input.Cursor.Style = t.Cursor
	input.Cursor.TextStyle = t.Plain
	input.Cursor.SetMode(cursor.CursorStatic)
	return input
}

// Help returns the help line that lists the keys.
func (t Theme) Help() help.Model {
	line := help.New()
	line.ShortSeparator = " · "
	line.Styles = help.Styles{
		Ellipsis: t.Muted, ShortKey: t.KeyName, ShortDesc: t.Muted, ShortSeparator: t.Muted,
		FullKey: t.KeyName, FullDesc: t.Muted, FullSeparator: t.Muted,
	}
	return line
}

// Spinner returns a spinner for waiting.
func (t Theme) Spinner() spinner.Model {
	return spinner.New(spinner.WithSpinner(spinner.MiniDot), spinner.WithStyle(t.Accent))
}
