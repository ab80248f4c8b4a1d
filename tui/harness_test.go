package tui

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
)

// screen drives a model without a terminal: keys go in, commands run at once, frames come out.
// Nothing ticks.
type display struct {
	t     testing.TB
	m     *model
	g     guarded
	left  bool
	seen  func(frame string) // told each frame
	until string             // once this is on the screen, commands are begun and not waited for
	deaf  bool               // it is
}

// patience is how long a command may take, on a machine that is busy with others.
const patience = time.Minute

func open(t testing.TB, o Options, width, height int) *display {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	m := newModel(ctx, o.fill())
	m.after = func(time.Duration, tea.Msg) tea.Cmd { return nil }
	m.watch = func(func() tea.Msg) tea.Cmd { return nil }
	s := &display{t: t, m: m, g: guarded{m}}
	s.send(tea.WindowSizeMsg{Width: width, Height: height})
	s.run(s.g.Init())
	return s
}

// send delivers a message, runs what follows from it, and looks at the frame.
func (s *display) send(msg tea.Msg) {
	if s.left {
		return
	}
	_, cmd := s.g.Update(msg)
	s.frame()
	s.run(cmd)
}

// run carries out a command, and what follows from it.
func (s *display) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	result := make(chan tea.Msg, 1)
	go func() { result <- cmd() }()
	if s.deaf {
		return
	}
	select {
	case msg := <-result:
		switch msg := msg.(type) {
		case nil, logMsg:
		case tea.QuitMsg:
			s.left = true
		case tea.BatchMsg:
			for _, cmd := range msg {
				s.run(cmd)
			}
		default:
			s.send(msg)
		}
	case <-time.After(patience):
		s.t.Fatalf("nothing comes of it:\n%s", s.text())
	}
}

// begin presses keys that begin something which does not end by itself, and goes on without it, as
// soon as a text is on the screen; empty: at once.
func (s *display) begin(keys, until string) {
	s.t.Helper()
	s.until, s.deaf = until, until == ""
	s.keys(keys)
	if !s.deaf {
		s.t.Fatalf("%q never came to the screen:\n%s", until, s.text())
	}
	s.until, s.deaf = "", false
}

// frame draws, and holds the frame against what holds for every frame.
func (s *display) frame() string {
	s.t.Helper()
	frame := s.g.View()
	if s.m.broken != nil {
		s.t.Fatalf("panic: %v\n%s", s.m.broken.Value, s.m.broken.Stack)
	}
	lines := strings.Split(frame, "\n")
	if len(lines) > s.m.height {
		s.t.Fatalf("frame of %d lines in a window of %d×%d:\n%s", len(lines), s.m.width, s.m.height, ansi.Strip(frame))
	}
	for i, line := range lines {
		if width := ansi.StringWidth(line); width > s.m.width {
			s.t.Fatalf("line %d is %d wide in a window of %d×%d: %q", i, width, s.m.width, s.m.height, line)
		}
	}
	if strings.Contains(frame, secretWord) {
		s.t.Fatalf("a secret is on the screen:\n%s", ansi.Strip(frame))
	}
	if strings.Contains(frame, generatedWord) && !(s.m.place == handing && s.m.card.reveal) {
		s.t.Fatalf("a generated password is on the screen unasked:\n%s", ansi.Strip(frame))
	}
	if s.seen != nil {
		s.seen(frame)
	}
	s.deaf = s.deaf || s.until != "" && strings.Contains(ansi.Strip(frame), s.until)
	return frame
}

// text is the frame without styles.
func (s *display) text() string { return ansi.Strip(s.frame()) }

// keys presses keys: names in angle brackets ("<enter>", "<ctrl+c>"), everything else letter by
// letter.
func (s *display) keys(keys string) {
	s.t.Helper()
	for keys != "" {
		if name, rest, ok := strings.Cut(keys, ">"); ok && strings.HasPrefix(name, "<") && len(name) > 2 {
			s.send(keyNamed(name[1:]))
			keys = rest
			continue
		}
		r := []rune(keys)[0]
		keys = keys[len(string(r)):]
		if r == ' ' {
			s.send(tea.KeyMsg{Type: tea.KeySpace, Runes: []rune{' '}})
		} else {
			s.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}})
		}
	}
}

func (s *display) paste(text string) {
	s.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(text), Paste: true})
}

func (s *display) resize(width, height int) {
	s.send(tea.WindowSizeMsg{Width: width, Height: height})
}

// wants fails unless the frame holds a text.
func (s *display) wants(texts ...string) {
	s.t.Helper()
	frame := s.text()
	for _, text := range texts {
		if !strings.Contains(frame, text) && !strings.Contains(unwrapped(frame), text) {
			s.t.Fatalf("%q is not on the screen:\n%s", text, frame)
		}
	}
}

// unwrapped is the text of the widest pane without its line breaks.
func unwrapped(frame string) string {
	var words []string
	for line := range strings.SplitSeq(frame, "\n") {
		widest := ""
		for part := range strings.SplitSeq(line, "│") {
			if len(part) > len(widest) {
				widest = part
			}
		}
		words = append(words, strings.Fields(widest)...)
	}
	return strings.Join(words, " ")
}

func (s *display) wantsNot(text string) {
	s.t.Helper()
	if frame := s.text(); strings.Contains(frame, text) {
		s.t.Fatalf("%q is on the screen:\n%s", text, frame)
	}
}

var keyTypes = func() map[string]tea.KeyType {
	types := make(map[string]tea.KeyType)
	for t := tea.KeyType(-100); t < 128; t++ {
		if name := t.String(); name != "" && t != tea.KeyRunes {
			types[name] = t
		}
	}
	return types
}()

func keyNamed(name string) tea.KeyMsg {
	t, ok := keyTypes[name]
	if !ok {
		panic(fmt.Sprintf("no key is called %q (%v)", name, reflect.TypeOf(name)))
	}
	return tea.KeyMsg{Type: t}
}
