// Package session is one run of the wizard or of the manager, without a terminal: the answers, the
// current step, the plan, the server and the outcome. The full-screen interface, the line mode and
// tests drive the same [Session].
//
//	s := session.New(session.Options{Beginning: beginning, Plan: makePlan, Apply: applyPlan, …})
//	s.Open("")                                // all questions
//	err := s.Set(question, "registry.example.com")
//	s.Plan, err = s.Planner()(ctx)            // the review shows it
//	next := s.Accept(s.Applier(progress)(ctx))
//
// # Concurrency
//
// One goroutine owns a Session. Work that takes time comes as a function: Planner, Applier,
// Starter, Prover and the others copy what they need and return a function that may run in another
// goroutine and does not touch the Session. The owner passes the result back, as in Accept, Started
// and Proved.
package session
