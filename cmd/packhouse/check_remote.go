package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"packhouse/certgen"
	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/packcmd"
	"packhouse/setup/check"
	"packhouse/trust"
)

// remote returns the target of "packhouse check --url".
func (o *checkOptions) remote() (check.Target, error) {
	base, err := parseRegistryURL(o.url)
	if err != nil {
		return check.Target{}, err
	}
	t := check.Target{Remote: true, Quick: o.quick, URL: base.String(), Now: o.Now, Machine: cli.CheckedMachine(o.App)}
	if o.caFile != "" {
		data, err := trust.ReadInput(o.caFile, trust.MaxInput)
		if err != nil {
			return t, fmt.Errorf("--ca-file: %w", err)
		}
		if t.Roots, err = certgen.ParseChain(data); err != nil {
			return t, fmt.Errorf("read CA %q: %w", o.caFile, err)
		}
	}
	if o.user == "" {
		return t, nil
	}
	login := packcmd.LoginOptions{Username: o.user, PasswordStdin: o.passwordStdin}
	name, password, err := packcmd.AskLogin(o.App, base.Host, login)
	if err != nil {
		return t, err
	}
	t.Users = []check.User{{Name: name, Password: func() []byte { return []byte(password.Reveal()) }}}
	return t, nil
}

// parseRegistryURL parses the URL of a registry. The default scheme is https.
func parseRegistryURL(text string) (*url.URL, error) {
	full := text
	if !strings.Contains(full, "://") {
		full = "https://" + full
	}
	u, err := url.Parse(full)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, cli.UsageError(cli.WithHint(errors.New("--url is not an address of a registry"), "https://registry.example.com:5000 is one")) // not quoted: it may contain a password
	case u.User != nil:
		return nil, cli.UsageError(cli.WithHint(errors.New("--url holds a user or a password"), "--user and --password-stdin keep it out of the list of processes"))
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "":
		return nil, cli.UsageError(fmt.Errorf("--url %q has more than scheme, host and port", text))
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}
