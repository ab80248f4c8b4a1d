// Package question has the one list of questions that setup asks.
//
// [Steps] returns the list. The full-screen wizard, the line mode, the flags, the answers file and the
// documentation are all derived from it: each question has its help, its flags, its suggestion, and two
// ways to validate an answer. Validate is cheap and runs on every keystroke; Probe is slower (it binds
// the port, resolves the name) and runs when the user leaves the step. [Examine] runs both for all
// questions and reports all errors together, each with the flag that fixes it.
package question
