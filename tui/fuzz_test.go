package tui

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"packhouse/racetest"
	"packhouse/setup"
	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/plan"
	"packhouse/setup/question"
)

// pressable are the keys that a fuzzed person presses.
var pressable = []string{
	"enter", "enter", "enter", "enter", "esc", "tab", "shift+tab", "up", "down", "down", "left", "right", "home", "end", "pgup", "pgdown", "backspace",
	"delete", "f1", "ctrl+u", "ctrl+w", "ctrl+k", "ctrl+a", "ctrl+e", "ctrl+z", "ctrl+l", "ctrl+h",
}

// pasteable are texts that a fuzzed person has in the clipboard.
var pasteable = []string{
	"registry.example.org", "10.0.0.5, 10.0.0.6;  a.example\nb.example", "evil\u202egpj", "\u200b", "日本語のホスト名", "e\u0301e\u0301e\u0301", "👩‍👩‍👧‍👦",
	"  padded  ", "\x1b[2J\x1b]0;owned\a", "", "\n\n\n", "/etc/ssl/certs/", "\xff\xfe", "a\tb", "ｗｉｄｅ", "ééééééééééééééééééééééééééééééééééééééé",
}

// typeable are characters that mean something somewhere.
var typeable = []rune(" aedpqrwxkjglcf?+:/.*1é日")

// play turns bytes into keys, pastes and windows of any size.
func (s *display) play(script []byte) {
	for len(script) >= 2 && !s.left {
		what, which := script[0], int(script[1])
		script = script[2:]
		switch {
		case what < 140:
			s.keys("<" + pressable[which%len(pressable)] + ">")
		case what < 210:
			s.keys(string(typeable[which%len(typeable)]))
		case what < 230:
			s.paste(pasteable[which%len(pasteable)])
		case what < 232:
			s.send(leaveMsg{})
			s.left = false
		default:
			width, height := which%130, 0
			if len(script) > 0 {
				height = int(script[0]) % 60
			}
			s.resize(width, height)
		}
	}
}

// fuzzed opens a wizard whose plan, checks and server go well or badly, as the seed has it.
func fuzzed(t testing.TB, seed uint64) *display {
	o := fixtureOptions()
	kinds := []setup.ChangeKind{setup.Create, setup.Update, setup.Keep, setup.Remove}
	o.Plan = fixturePlan(kinds[seed%4])
	statuses := []check.Status{check.Passed, check.Failed, check.Warning, check.NotProven}
	o.Prove = func(ctx context.Context, _ *plan.Plan, report func(check.Event)) check.Report {
		return fixtureReport(ctx, report, statuses[seed/4%4])
	}
	if seed/16%4 == 3 {
		o.Start = func(context.Context, *plan.Plan) (installation.Running, error) { return nil, nil }
	}
	if seed/64%2 == 1 {
		o = managed(o)
	}
	return open(t, o, 80, 24)
}

// TestRandomKeys presses keys without sense: no panic, no frame beyond the window, no secret on the
// screen (screen.frame holds them all).
func TestRandomKeys(t *testing.T) {
	shown := make(map[place]int)
	rounds := racetest.Sample[uint64](32, 10) // two of each way that a plan, the checks and the server can go
	if testing.Short() {
		rounds = 10
	}
	for i := range 2 * rounds { // of the wizard, and of the manager
		seed := i/2 + i%2*64
		s := fuzzed(t, seed)
		s.seen = func(string) { shown[s.m.place]++ }
		random := rand.New(rand.NewPCG(seed, 1))
		script := make([]byte, 600)
		for i := 0; i < len(script); i += 8 {
			binary.LittleEndian.PutUint64(script[i:], random.Uint64())
		}
		s.play(script)
	}
	for _, p := range []place{asking, reviewing, checking, handing, serving, managing} {
		if shown[p] == 0 {
			t.Errorf("screen %d was never reached, so the keys prove too little (%v)", p, shown)
		}
	}
}

func FuzzKeys(f *testing.F) {
	f.Add(uint64(0), []byte{0, 0, 0, 0, 0, 0, 0, 0})
	f.Add(uint64(5), []byte{150, 3, 250, 40, 12, 0, 220, 2})
	f.Fuzz(func(t *testing.T, seed uint64, script []byte) {
		s := fuzzed(t, seed)
		s.play(script[:min(len(script), 2000)])
	})
}

// TestEverySize draws every screen of the journey in windows of all kinds, the smallest and those
// where the arrangement changes among them.
func TestEverySize(t *testing.T) {
	stops := make([]*display, 0, len(journey)+4)
	for _, stop := range journey {
		s := open(t, fixtureOptions(), 80, 24)
		s.keys(stop.keys)
		stops = append(stops, s)
	}
	for _, keys := range []string{"", "<end>", "<enter>", "<end><enter>"} { // of the manager
		s := open(t, managed(fixtureOptions()), 80, 24)
		s.keys(keys)
		stops = append(stops, s)
	}
	for _, s := range stops {
		for width := range 125 {
			if width > 12 && width%7 != 0 && width != 39 && width != 40 && width != 71 && width != 72 && width != 109 &&
				width != 110 {
				continue
			}
			for _, height := range racetest.Sample([]int{0, 1, 2, 3, 5, 8, 11, 12, 13, 15, 16, 17, 24, 60}, []int{0, 12, 24}) {
				s.resize(width, height)
			}
		}
		s.resize(500, 200)
	}
}

// TestRealQuestions walks through the questions as they are, with keys pressed at random.
func TestRealQuestions(t *testing.T) {
	host := fixtureMachine()
	host.Host = machine.ThisMachine()
	for seed := range uint64(4) {
		o := fixtureOptions()
		o.Machine, o.Steps, o.Preview = host, question.Steps(), nil
		for _, step := range o.Steps {
			for _, q := range step.Questions {
				q.Probe = nil // it would look at this machine and its network
			}
		}
		s := open(t, o, 120, 34)
		random := rand.New(rand.NewPCG(seed, 2))
		script := make([]byte, 400)
		for i := 0; i < len(script); i += 8 {
			binary.LittleEndian.PutUint64(script[i:], random.Uint64())
		}
		s.play(script)
	}
}
