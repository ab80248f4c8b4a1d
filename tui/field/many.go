package field

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"packhouse/tui/layout"
	"packhouse/tui/theme"
)

// Row is a row of a Many.
type Row struct {
	Name   string
	Note   string // why it is in the list
	Ticked bool
	Own    bool // added by the user, and so removable
}

// Many is a list of checkboxes. With an Add text, users can also add names, including several at
// once by pasting.
type Many struct {
	theme   theme.Theme
	rows    []Row
	add     string // label of the row that adds: "add a name or address"; empty: adding is disabled
	check   func(name string) error
	at      int
	adding  *Text
	refused string
	focused bool
}

// NewMany returns a list. check validates a name to add.
func NewMany(t theme.Theme, rows []Row, add string, check func(name string) error) *Many {
	return &Many{theme: t, rows: slices.Clone(rows), add: add, check: check}
}

// Rows returns the current rows.
func (f *Many) Rows() []Row { return slices.Clone(f.rows) }

// SetRows replaces the rows. The pointer keeps its position if possible.
func (f *Many) SetRows(rows []Row) {
	f.rows = slices.Clone(rows)
	f.at = max(min(f.at, f.last()), 0)
}

// last returns the index of the last selectable line. The line after the rows adds one.
func (f *Many) last() int {
	if f.add != "" {
		return len(f.rows)
	}
	return len(f.rows) - 1
}

// Focus implements Field.
func (f *Many) Focus() { f.focused = true }

// Blur implements Field. It discards a name that is being added.
func (f *Many) Blur() { f.focused, f.adding, f.refused = false, nil, "" }

// Touch implements Field.
func (f *Many) Touch() {}

// Problem implements Field.
func (f *Many) Problem() string { return "" }

// TakesText implements Field.
func (f *Many) TakesText() bool { return f.adding != nil }

// Modal implements Field.
func (f *Many) Modal() bool { return f.adding != nil }

// Keys implements Field.
func (f *Many) Keys() []key.Binding {
	if f.adding != nil {
		return []key.Binding{bind("enter", "enter", "add"), bind("esc", "esc", "cancel")}
	}
	if f.at == len(f.rows) && f.add != "" {
		return []key.Binding{bind("enter", "enter", "add")}
	}
	keys := []key.Binding{bind(" ", "space", "tick")}
	if f.add != "" {
		keys = append(keys, bind("a", "a", "add"))
	}
	if f.at < len(f.rows) && f.rows[f.at].Own {
		keys = append(keys, bind("d", "d", "remove"))
	}
	return keys
}

// Update implements Field.
func (f *Many) Update(msg tea.KeyMsg) bool {
	if f.adding != nil {
		return f.updateAdding(msg)
	}
	if msg.Paste {
		text, _ := typed(msg)
		f.paste(text)
		return true
	}
	f.refused = ""
	switch {
	case is(msg, "up", "k"):
		if f.at == 0 {
			return false
		}
		f.at--
	case is(msg, "down", "j"):
		if f.at >= f.last() {
			return false
		}
		f.at++
	case is(msg, " ", "x") && f.at < len(f.rows):
		f.rows[f.at].Ticked = !f.rows[f.at].Ticked
	case is(msg, "a", "+") && f.add != "", is(msg, " ", "enter") && f.add != "" && f.at == len(f.rows):
		f.adding = NewText(f.theme, TextOptions{Check: f.checkNew})
		f.adding.Focus()
		f.at = len(f.rows)
	case is(msg, "d", "delete", "backspace") && f.at < len(f.rows):
		if f.rows[f.at].Own {
			f.rows = slices.Delete(f.rows, f.at, f.at+1)
			f.at = max(min(f.at, len(f.rows)-1), 0) // a position where enter continues
		} else {
			f.rows[f.at].Ticked = false
		}
	default:
		return false
	}
	return true
}

func (f *Many) updateAdding(msg tea.KeyMsg) bool {
	switch {
	case is(msg, "esc"):
		f.adding = nil
		f.at = max(len(f.rows)-1, 0)
	case is(msg, "enter", "tab"):
		name := f.adding.Value()
		if name == "" { // continue to the next question instead of reopening: otherwise an empty list could not be left
			f.adding = nil
			f.at = max(len(f.rows)-1, 0)
			return len(f.rows) > 0
		}
		f.adding.Touch()
		if f.adding.Problem() == "" {
			f.insert(name)
			f.adding = nil
		}
	default:
		if text, ok := typed(msg); ok && msg.Paste && len(strings.FieldsFunc(text, between)) > 1 {
			f.adding = nil
			f.paste(text)
			return true
		}
		f.adding.Update(msg)
	}
	return true
}

// between reports whether a character separates names in a list.
func between(r rune) bool {
	return r == ',' || r == ';' || r == ' ' || r == '\n' || r == '\r' || r == '\t'
}

// Limits of a paste: names accepted, and errors displayed.
const (
	mostPasted = 100
	maxShown   = 3
)

// paste adds each of several names, and reports why others are refused.
func (f *Many) paste(text string) {
	f.refused = ""
	if f.add == "" {
		return
	}
	names := strings.FieldsFunc(text, between)
	var refused []string
	if len(names) > mostPasted {
		names, refused = names[:mostPasted], []string{fmt.Sprintf("only the first %d names were added", mostPasted)}
	}
	for _, name := range names {
		if why := f.refusal(name); why != "" {
			refused = append(refused, why)
			continue
		}
		f.insert(name)
	}
	if more := len(refused) - maxShown; more > 0 {
		refused = append(refused[:maxShown], fmt.Sprintf("and %d more that were not added", more))
	}
	f.refused = strings.Join(refused, "\n")
}

// refusal returns why a name is refused, or "".
func (f *Many) refusal(name string) string {
	if found := Invisible(name); found != "" {
		return "not added: a name contains " + found + ", which is invisible"
	}
	switch err := f.checkNew(name); {
	case err == nil:
		return ""
	case strings.Contains(err.Error(), name): // the error already names it
		return "not added: " + err.Error()
	default:
		return fmt.Sprintf("not added: %q %v", ansi.Truncate(name, 40, layout.Ellipsis), err)
	}
}

func (f *Many) checkNew(name string) error {
	if f.check == nil || name == "" {
		return nil
	}
	return f.check(name)
}

// insert adds a name, or checks an existing one.
func (f *Many) insert(name string) {
	if i := slices.IndexFunc(f.rows, func(row Row) bool { return strings.EqualFold(row.Name, name) }); i >= 0 {
		f.rows[i].Ticked = true
		f.at = i
		return
	}
	f.rows = append(f.rows, Row{Name: name, Note: "typed", Ticked: true, Own: true})
	f.at = len(f.rows) - 1
}

// View implements Field.
func (f *Many) View(width int) View {
	var view View
	widest := 0
	for _, row := range f.rows {
		widest = max(widest, ansi.StringWidth(row.Name))
	}
	nameWidth := max(min(widest, width-6-14), 8)
	for i, row := range f.rows {
		mark := "[ ] "
		if row.Ticked {
			mark = "[x] "
		}
		name := layout.Pad(mark+row.Name, nameWidth+4)
		view.Lines = append(view.Lines, layout.Cut(f.point(i, &view)+f.style(i).Render(name)+"  "+f.theme.Muted.Render(row.Note), width))
	}
	switch {
	case f.adding != nil:
		view.Focus = len(view.Lines)
		f.adding.Focus()
		view.Lines = append(view.Lines, f.adding.View(width).Lines...)
		view.Until = len(view.Lines) - 1
	case f.add != "":
		view.Lines = append(view.Lines, layout.Cut(f.point(len(f.rows), &view)+f.style(len(f.rows)).Render("+ "+f.add), width))
	}
	if f.refused != "" {
		view.Lines = append(view.Lines, complain(f.theme, f.refused, width)...)
		view.Until = len(view.Lines) - 1
	}
	return view
}

// point renders the pointer if it is at line i, and sets the view's focus.
func (f *Many) point(i int, view *View) string {
	if i != f.at {
		return "  "
	}
	view.Focus = len(view.Lines)
	if !f.focused {
		return "  "
	}
	return f.theme.Accent.Render(theme.Pointer) + " "
}

func (f *Many) style(i int) interface{ Render(...string) string } {
	if f.focused && i == f.at {
		return f.theme.Selected
	}
	return f.theme.Plain
}
