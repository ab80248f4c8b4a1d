package question

import (
	"io"
	"slices"

	"packhouse/setup/installation"
	"packhouse/trust"
)

// Values are answers in the form of flags: one or more values by flag name without dashes. A
// boolean flag has the value "true".
type Values map[string][]string

// Input holds the answers given before the first question.
type Input struct {
	Flags         Values
	Env           []string  // in the format of os.Environ: PACKHOUSE_PASSWORD_<NAME>, and PACKHOUSE_<FLAG> for other flags
	File          *Document // the answers file; nil: none
	PasswordLines io.Reader // lines NAME:PASSWORD of --password-stdin; nil: none
	Program       string    // command name of this program, for printed commands; empty: packhouse
	Quick         bool      // skip probes: a wizard runs them step by step
	// ReadFile reads password files. Nil: readInput.
	ReadFile func(name string) ([]byte, error)
}

// Document is an answers file.
type Document struct {
	Name   string         // for messages
	Values Values         //
	Lines  map[string]int // 1-based line of each key
}

// readInput reads a file given by a flag.
func readInput(name string) ([]byte, error) { return trust.ReadInput(name, trust.MaxInput) }

// readGiven returns the content of a regular file that an answer names. Root gets a [*trust.Error]
// if a user other than those of [trust.Caller] and users can write it.
func readGiven(path string, users ...int) ([]byte, error) {
	if err := trust.CheckInput(path, users...); err != nil {
		return nil, err
	}
	return installation.ReadNamed(path)
}

// readServed is readGiven for a file that the server reads in place, which may belong to the
// server's user. A file that the server already uses may belong to any user.
func (a *Answers) readServed(path string) ([]byte, error) {
	if servesFile(a.Existing, path) {
		return installation.ReadNamed(path)
	}
	return readGiven(path, a.Existing.ServerUsers(a.RunAs)...)
}

// servesFile reports whether path is a file that the configuration or the installation already uses.
func servesFile(in *installation.Installed, path string) bool {
	if in == nil || in.Config == nil {
		return false
	}
	tls, s3 := in.Config.HTTP.TLS, in.Config.Storage.S3
	used := []string{
		tls.Certificate,
		tls.Key,
		tls.LetsEncrypt.CAFile,
		tls.LetsEncrypt.EABKeyFile,
		s3.CAFile,
		in.Path(installation.OwnCAFile),
	}
	return slices.Contains(used, path)
}

// fixUnread returns the remedy for a file given by a flag that cannot be read.
func fixUnread(err error) string {
	if fault := trust.Unsafe(err); fault != nil {
		return fault.Fix
	}
	return "check the path, and that this user may read it"
}
