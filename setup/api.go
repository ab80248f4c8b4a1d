package setup

import "context"



// Load reads the installation in a directory. Where an earlier run was cut off it first finishes or undoes that one.
func Load(dir string) (*Installed, error) { return &Installed{Dir: dir}, nil }

// Questions returns the one list of questions, in the order of the wizard's left column.
func Questions() []Step { return nil }

// Resolve makes one answer for every question out of flags, environment, answers file, the existing installation, what was detected and
// defaults, in this order. The findings are everything that is missing, wrong or worth knowing, at once.
func Resolve(_ context.Context, _ *Machine, _ *Installed, _ Input) (Resolved, []Finding) {
	return Resolved{}, nil
}

// Examine judges all answers: Validate of each question that is asked, and with probe also Probe.
func Examine(_ context.Context, _ *Machine, _ *Answers, _ bool) []Finding { return nil }

// ParseAnswers reads an answers file: YAML whose keys are the flags without dashes. Strict; problems name their line.
func ParseAnswers(name string, _ []byte) (*Document, error) { return &Document{Name: name}, nil }

// CommandLine is the "packhouse setup" line that gives the same answers, without secrets.
func (r Resolved) CommandLine() string { return "" }

// AnswersYAML is the answers file that gives the same answers, without secrets.
func (r Resolved) AnswersYAML() []byte { return nil }

// MakePlan says what has to change so that the answers become true. It writes nothing.
func MakePlan(_ context.Context, _ *Machine, _ *Installed, _ Resolved, _ Options) (*Plan, error) {
	return &Plan{}, nil
}

// PlanRollback says what has to change to get back to the files before the last setup.
func PlanRollback(_ context.Context, _ *Installed) (*Plan, error) { return &Plan{}, nil }

// Config is myconfig.yml as it will be.
func (p *Plan) Config() []byte { return nil }

// Diff is the unified diff of a file that is not secret; empty where nothing changes.
func (p *Plan) Diff(_ string) string { return "" }

// MarshalJSON is the plan without any secret.
func (p *Plan) MarshalJSON() ([]byte, error) { return []byte("{}"), nil }

// Preview is myconfig.yml as these answers would make it, cheap enough for every keystroke.
func Preview(_ *Installed, _ Answers) []byte { return nil }

// Apply makes a plan true: all of it, or nothing.
func Apply(_ context.Context, _ *Plan, _ ApplyOptions) (*Applied, error) { return &Applied{}, nil }

// Handoff makes the card of an installation. Machine may be nil; then Local is what clients use.
func Handoff(_ context.Context, _ *Machine, _ *Plan) Card { return Card{} }
