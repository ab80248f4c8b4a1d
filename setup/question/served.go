package question

import (
	"slices"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/setup/installation"
	"packhouse/trust"
)

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

// readable refuses a path that is not a readable PEM file with certificates. An empty path is valid.
func (a *Answers) readable(path string) []finding.Finding {
	if path == "" {
		return nil
	}
	data, err := a.readServed(path)
	if err != nil {
		return []finding.Finding{unreadable(err)}
	}
	if _, err := certgen.ParseChain(data); err != nil {
		return []finding.Finding{fromInput(err)}
	}
	return nil
}
