package setup

import (
	"io"

	"packhouse/trust"
)

// Values are answers as flags give them: by the name of the flag without dashes, each with one or more texts. A flag that takes no value
// has "true".
type Values map[string][]string

// Input holds the answers that were given before the first question.
type Input struct {
	Flags         Values
	Env           []string  // as os.Environ gives it: PACKHOUSE_PASSWORD_<NAME>, and PACKHOUSE_<FLAG> for the other flags
	File          *Document // the answers file; nil: none
	PasswordLines io.Reader // lines NAME:PASSWORD of --password-stdin; nil: none
	Program       string    // what to type to run this program, for lines that repeat the setup; empty: packhouse
	Quick         bool      // leaves the probes out: a wizard runs them step by step
	// ReadFile reads password files. Nil: readInput.
	ReadFile func(name string) ([]byte, error)
}

// Document is an answers file.
type Document struct {
	Name   string         // for messages
	Values Values         //
	Lines  map[string]int // of each key, from 1
}

// largestInput bounds files that flags name, in bytes.
const largestInput = 4 << 20

// readInput reads a file that a flag names.
func readInput(name string) ([]byte, error) { return trust.ReadInput(name, largestInput) }
