// Package setup installs a registry and changes an installation: questions become answers, answers become a plan, a plan is applied.
//
//	machine := setup.Detect(ctx, setup.ThisMachine())
//	installed, err := setup.Load(dir)
//	resolved, findings := setup.Resolve(ctx, machine, installed, setup.Input{Flags: flags})
//	plan, err := setup.MakePlan(ctx, machine, installed, resolved, setup.Options{})
//	if plan.Pending() {
//		applied, err := setup.Apply(ctx, plan, setup.ApplyOptions{})
//	}
//
// # One list of questions
//
// [Questions] is the only list there is. The full-screen wizard, the line mode, the flags, the answers file and the documentation are faces
// of it: each question carries its help, its flags, its suggestion, and two ways of judging an answer. Validate is cheap and runs as one
// types; Probe is slower (it binds the port, resolves the name) and runs on leaving the step. [Resolve] runs both over all questions and
// tells everything that is missing or wrong at once, each with the flag that mends it.
//
// # A plan is a value
//
// [MakePlan] writes nothing. What it returns is a list of changes, each with its path, mode, owner, content before and after, and its meaning
// in words; review, dry run, JSON and [Apply] are all made of it. An existing myconfig.yml is edited in place, untouched lines stay
// identical to the byte; existing users keep their passwords.
//
// # All or nothing
//
// Apply stages every file beside its target, then writes a journal, then renames. Killed before the journal it changed nothing; killed after
// it, the next [Load] finishes the work and says so. What was replaced is kept in backup/ until the next change, and [PlanRollback] is a plan
// that brings it back.
//
// The package knows no terminal and no HTTP handler, and starts no server: whoever applied a plan proves it, with package check.
package setup
