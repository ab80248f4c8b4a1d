package setupcmd

import (
	"context"
	"errors"
	"path/filepath"

	"packhouse/certgen"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/server/admin"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/tui/session"
)

// Open runs "packhouse" without arguments on a terminal: the manager if there is an installation,
// else the wizard.
func (s *Run) Open(ctx context.Context) error {
	installed, err := installation.Load(s.o.dir)
	if err != nil {
		return err
	}
	a := s.newAsked()
	o := a.options()
	if installed.Exists() {
		o.Title, o.Begin = "packhouse", a.lookAfter
	}
	if s.ByLines() {
		return a.runLines(ctx, o)
	}
	return a.run(ctx, o)
}

// lookAfter returns the answers and the state of the installation, for the manager's first screen
// and each return to it.
func (a *asked) lookAfter(ctx context.Context) (session.Beginning, error) {
	b, err := a.beginWith(ctx, Run{App: a.App, o: a.o, looks: true})
	if err != nil {
		return b, err
	}
	url := ""
	if b.Installed.Config != nil {
		url = b.Resolved.Answers.URL()
	}
	b.State = installation.StateOf(b.Machine, b.Installed, url)
	b.State.Server = a.serverState(ctx, b.Installed)
	if deployment.OrdersCertificates(b.Installed) {
		a.addOrdered(ctx, b.State, b.Installed)
	}
	return b, nil
}

// addOrdered adds the certificate that the server ordered, which is in the cache rather than in a
// configured file.
func (a *asked) addOrdered(ctx context.Context, state *installation.State, installed *installation.Installed) {
	states, err := deployment.Orders(ctx, a.App, installed.Config)
	if err != nil {
		return // the checks report the error
	}
	for _, s := range states {
		if fault := s.Fault(); fault != "" {
			state.Findings = append(state.Findings, setup.Warn(setup.CodeChallenge, fault, "").About("tls", ""))
		}
		if s.Leaf == nil || state.Certificate != nil {
			continue
		}
		info := certgen.Inspect(s.Leaf)
		state.Certificate = &installation.CertificateState{
			Path: installed.Config.HTTP.TLS.LetsEncrypt.CacheFile, Names: info.Names.Strings(),
			Ends: info.NotAfter, DaysLeft: info.DaysLeft(a.Now()),
			CloseEnd: certgen.CloseToEnd(s.Leaf, a.Now()), Fingerprint: info.Fingerprint,
		}
	}
}

// serverState queries the state of an installation's server.
func (a *asked) serverState(ctx context.Context, installed *installation.Installed) installation.ServerState {
	c := installed.Config
	if c == nil { // a running server keeps its last good state even if its file is broken
		c = config.Glimpse(
			config.Source{
				Path: filepath.Join(installed.Dir, installation.ConfigFile), Data: installed.ConfigData, Env: a.Env,
			},
		)
	}
	client, err := deployment.FindServer(c, installed.Dir)
	if errors.Is(err, admin.ErrNotRunning) {
		return installation.ServerState{}
	}
	if err != nil {
		return installation.ServerState{Problem: "cannot be asked: " + err.Error()}
	}
	defer client.Close()
	status, err := client.Status(ctx)
	if err != nil {
		return installation.ServerState{Problem: "does not answer: " + err.Error()}
	}
	state := installation.ServerState{
		Up: true, PID: status.PID, Since: status.StartedAt, Address: status.Address,
		Fingerprint: status.Fingerprint, Faults: status.Faults,
	}
	for _, code := range status.Health {
		state.Faults = append(state.Faults, "/health says DOWN: "+code)
	}
	if status.Reload != nil {
		state.Restart = status.Reload.NeedsRestart
	}
	if p := a.proof.Load(); p != nil && p.Started != nil {
		state.Here = p.Started.Nonce() == status.Nonce
	}
	return state
}
