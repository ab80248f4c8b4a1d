// Package theme says how things look: sixteen colours of the terminal's own, so that light and dark backgrounds are the terminal's affair,
// and never colour alone.
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

// Signs that stand beside words, so that colour is never alone in telling something.
const (
	Done    = "✓"
	Failed  = "✗"
	Current = "●"
	Ahead   = "○"
	Caution = "!"
	Unknown = "?"
	Pointer = "›"
	Note    = "·"
	Changed = "▌" // in the margin of what an answer changed
)

// Theme is a set of styles for one terminal.
type Theme struct {
	Plain    lipgloss.Style
	Brand    lipgloss.Style // the program's name
	Title    lipgloss.Style // of a pane or a field
	Muted    lipgloss.Style // what may be overlooked
	Accent   lipgloss.Style // where one is
	Good     lipgloss.Style
	Warning  lipgloss.Style
	Bad      lipgloss.Style
	Added    lipgloss.Style // in a diff
	Removed  lipgloss.Style
	Border   lipgloss.Style
	Cursor   lipgloss.Style
	KeyName  lipgloss.Style // in the line of help
	Selected lipgloss.Style // the row one is on
	Key      lipgloss.Style // the name of a setting
}

// For makes the theme of the terminal that out is. The terminal is not asked anything: the profile is fixed. With colour off, weight and
// reverse stay, since they are no colours.
func For(out *os.File, colour bool) Theme {
	renderer := lipgloss.NewRenderer(out, termenv.WithProfile(termenv.ANSI))
	renderer.SetColorProfile(termenv.ANSI)
	renderer.SetHasDarkBackground(true) // never used, but never asked for either
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

// Colour tells whether colours are wanted: the variable NO_COLOR, when it is not empty, says no (no-color.org).
func Colour() bool { return os.Getenv("NO_COLOR") == "" }

// Input dresses a line of input. Its cursor does not blink: a frame that stays as it is costs nothing on a slow line.
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

// Help is the line that names the keys.
func (t Theme) Help() help.Model {
	line := help.New()
	line.ShortSeparator = " · "
	line.Styles = help.Styles{
		Ellipsis: t.Muted, ShortKey: t.KeyName, ShortDesc: t.Muted, ShortSeparator: t.Muted,
		FullKey: t.KeyName, FullDesc: t.Muted, FullSeparator: t.Muted,
	}
	return line
}

// Spinner turns while something is waited for.
func (t Theme) Spinner() spinner.Model {
	return spinner.New(spinner.WithSpinner(spinner.MiniDot), spinner.WithStyle(t.Accent))
}
