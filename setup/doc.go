// Package setup installs a registry and changes an installation: it turns answers into a plan, and
// applies the plan.
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
// [Questions] returns the only list of questions. The full-screen wizard, the line mode, the flags,
// the answers file and the documentation are all derived from it: each question has its help, its
// flags, its suggestion, and two ways to validate an answer. Validate is cheap and runs on every
// keystroke; Probe is slower (it binds the port, resolves the name) and runs when the user leaves
// the step. [Resolve] runs both for all questions and reports all errors together, each with the
// flag that fixes it.
//
// # A plan is a value
//
// [MakePlan] writes nothing. It returns a list of changes, each with its path, mode, owner, content
// before and after, and a description; review, dry run, JSON and [Apply] all use it. An existing
// myconfig.yml is edited in place, and unchanged lines stay identical byte for byte; existing users
// keep their passwords.
//
// # All or nothing
//
// Apply stages every file beside its target, writes a journal, and then renames the files. If it is
// killed before it writes the journal, nothing has changed; if it is killed later, the next [Open]
// finishes the work and reports that. The replaced files are kept in backup/ until the next change,
// and [PlanRollback] returns a plan that restores them.
//
// The package has no terminal interface and no HTTP handler, and starts no server: the caller
// verifies an applied plan with package check.
package setup
