// Package setup has the vocabulary of setup that its packages share: users and their roles, TLS modes,
// kinds of changes, and the codes of findings. They build on each other in this order:
//
//   - machine: facts about this host;
//   - installation: what exists in a directory;
//   - question: the one list of questions;
//   - answer: answers to all of them, without asking;
//   - plan: the changes that make the installation match the answers;
//   - apply: carries out a plan completely or not at all.
//
// Together they install a registry or change an installation:
//
//	m := machine.Detect(ctx, machine.ThisMachine())
//	installed, err := apply.Open(dir)
//	resolved, findings := answer.Resolve(ctx, m, installed, answer.Input{Flags: flags})
//	planned, err := plan.Make(ctx, m, installed, resolved, plan.Options{})
//	if planned.Pending() {
//		applied, err := apply.Apply(ctx, planned, apply.Options{})
//	}
//
// No package below has a terminal interface or an HTTP handler, or starts a server: the caller
// verifies an applied plan with package check.
package setup
