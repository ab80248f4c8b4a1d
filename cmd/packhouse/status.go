package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"packhouse/certgen"
	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/finding"
	"packhouse/server/admin"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
	"packhouse/trust"
)

// statusReport is the JSON of status.
type statusReport struct {
	Config       string               `json:"config"` // path; empty: the built-in default
	Reason       string               `json:"reason"` // why this configuration
	Unused       []string             `json:"unused,omitempty"`
	Installation string               `json:"installation,omitempty"` // installation directory; empty: none
	Changed      []installation.Drift `json:"changed,omitempty"`      // changes since setup wrote it
	Running      bool                 `json:"running"`
	Server       *admin.Status        `json:"server,omitempty"`
	Certificate  *certificateAt       `json:"certificate,omitempty"` // on disk
	Findings     config.Findings      `json:"findings"`

	hidden bool // whether a server runs is not visible to this user; its ports are not reported as taken
}

// certificateAt is the configured certificate.
type certificateAt struct {
	Path     string    `json:"path"`
	Ends     time.Time `json:"ends"`
	DaysLeft int       `json:"daysLeft"`
}

// statusOptions are the flags of status.
type statusOptions struct {
	*cli.App
	dir  string
	json bool
}

// newStatus returns the command that shows the state and what needs attention.
func newStatus(a *cli.App) *cobra.Command {
	o := &statusOptions{App: a}
	cmd := &cobra.Command{
		Use:   "status [CONFIG]",
		Short: "Show the state and what needs attention",
		Long: `Report the state of the configuration, its files and the running server, and what packhouse check --quick
finds. It exits with 4 if something needs attention: a check fails or warns, no server runs, or the file
on disk would not start or is not loaded yet. packhouse check proves more.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	a.AddDir(cmd, &o.dir)
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func (o *statusOptions) run(ctx context.Context, args []string) error {
	found := o.FindConfig(o.dir, args)
	if found.Path == "" {
		client, err := deployment.FindRunning(ctx, o.App, "")
		if err != nil {
			return cli.ErrNothingInstalled()
		}
		client.Close()
	}
	r := statusOf(ctx, o.App, found)
	if !o.json {
		printStatus(o.App, r)
	} else if err := o.PrintJSON(r); err != nil {
		return err
	}
	if len(r.Findings) > 0 {
		return cli.Silent(cli.ExitFindings)
	}
	return nil
}

// statusOf collects the report.
func statusOf(ctx context.Context, a *cli.App, found config.Found) *statusReport {
	r := &statusReport{Config: found.Path, Reason: found.Reason, Unused: found.Unused, Findings: config.Findings{}}
	if problems := cli.UnsafeProblems(found.Path); len(problems) > 0 {
		for _, p := range problems {
			r.problem(p)
		}
		return r
	}
	defer func() {
		r.Findings = cli.PasteableFindings(a, r.Findings)
	}()
	statusOfServer(ctx, a, r)
	v := statusOfConfig(ctx, a, r)
	if r.Server != nil {
		r.Findings = append(r.Findings, deployment.ReloadFindings(r.Server)...)
	}
	if found.Path != "" {
		installed := statusOfInstallation(a, r)
		statusOfChecks(ctx, a, r, deployment.Subject{Config: found.Path, Quick: true, Installed: installed, Verified: v})
	}
	return r
}

func (r *statusReport) add(code, what, remedy string) {
	r.Findings = append(r.Findings, setup.Warn(code, what, remedy))
}

// statusOfServer queries the running server.
func statusOfServer(ctx context.Context, a *cli.App, r *statusReport) {
	client, err := deployment.FindRunning(ctx, a, r.Config)
	switch {
	case errors.Is(err, admin.ErrNotRunning) && errors.Is(err, fs.ErrPermission):
		r.hidden = true
		r.add(
			deployment.FindingUnreachable, "this user may not see whether a server runs",
			deployment.AsRoot("status", r.Config),
		)
		return
	case errors.Is(err, admin.ErrNotRunning):
		r.add(deployment.FindingNotRunning, "no server runs on this configuration", deployment.StartHint(r.Config))
		return
	case errors.Is(err, admin.ErrUntrusted):
		r.add(check.CodeSocket, err.Error(), deployment.UntrustedRemedy(err, deployment.Command("status", r.Config)))
		return
	case err != nil:
		r.Running = true
		r.add(
			deployment.FindingUnreachable, "the running server cannot be queried: "+err.Error(),
			deployment.AsRoot("status", r.Config),
		)
		return
	}
	defer client.Close()
	r.Running = true
	status, err := client.Status(ctx)
	if err != nil {
		r.add(deployment.FindingUnreachable, err.Error(), deployment.NoAnswer(r.Config))
		return
	}
	r.Server = &status
	for _, code := range status.Health {
		log := deployment.ServerOf(r.Config, status.PID).ReadLog()
		r.add(deployment.FindingHealth+":"+code, "/health says DOWN: "+code, log)
	}
	r.Findings = append(r.Findings, deployment.FaultFindings(&status)...)
}

// statusOfConfig verifies the configuration on disk, which the next start loads. It returns nil if
// it does not load.
func statusOfConfig(ctx context.Context, a *cli.App, r *statusReport) *deployment.Verified {
	loaded, err := a.LoadConfig(r.Config)
	if err != nil {
		for _, p := range config.FindingsOf(r.Config, err) {
			r.problem(p)
		}
		return nil
	}
	v := deployment.VerifyLoaded(ctx, a, r.Config, loaded, r.Running || r.hidden)
	for _, p := range v.Problems {
		if p.Severity != finding.Note {
			r.problem(p)
		}
	}
	path := loaded.Config.HTTP.TLS.Certificate
	data, err := trust.ReadConfigured(path, deployment.LargestFile)
	if path == "" || err != nil {
		return v // Verify reports the error
	}
	chain, err := certgen.ParseChain(data)
	if err != nil {
		return v // Verify reports the error
	}
	now := a.Now()
	r.Certificate = &certificateAt{
		Path: path, Ends: chain[0].NotAfter, DaysLeft: int(chain[0].NotAfter.Sub(now) / (24 * time.Hour)),
	}
	told := slices.ContainsFunc(r.Findings, func(f finding.Finding) bool { return f.Code == config.CodeCertificate })
	if certgen.CloseToEnd(chain[0], now) && !told {
		r.add(
			deployment.FindingCertificate, fmt.Sprintf("the certificate ends on %s", chain[0].NotAfter.Format(time.DateOnly)),
			"run packhouse cert rotate",
		)
	}
	return v
}

func (r *statusReport) problem(p finding.Finding) {
	for _, f := range r.Findings {
		if f.Code == deployment.FindingFault && strings.Contains(f.What, p.What) {
			return // the server reports the same
		}
	}
	r.Findings = append(r.Findings, p)
}

// statusOfInstallation reports on the configuration's installation. It returns nil if there is
// none, or if it does not load.
func statusOfInstallation(a *cli.App, r *statusReport) *installation.Installed {
	dir, err := trust.Abs(filepath.Dir(r.Config))
	if err != nil {
		return nil
	}
	if !cli.HasManifest(dir) {
		return nil
	}
	installed, err := installation.Load(dir)
	if refusal, ok := errors.AsType[*finding.Error](err); ok {
		for _, f := range refusal.Findings {
			r.add(f.Code, f.What, f.Remedy)
		}
		return nil
	}
	if err != nil {
		r.add(setup.CodeBroken, err.Error(), "")
		return nil
	}
	r.Installation, r.Changed = dir, installed.Drift
	for _, f := range installation.Attention(installed, a.Now()) {
		r.add(f.Code, f.What, f.Remedy)
	}
	if has, err := cli.CheckedMachine(a).Addresses(); err == nil {
		if moved := check.AddressMoved(plan.FormerAddresses(installed), has); moved != nil {
			r.add(moved.Code, moved.What, moved.Remedy)
		}
	}
	return installed
}

// printStatus prints a report as text.
func printStatus(a *cli.App, r *statusReport) {
	w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("configuration", "%s, %s", cli.NameOf(config.Found{Path: r.Config}), r.Reason)
	for _, unused := range r.Unused {
		row("", "not read: %s", unused)
	}
	if s := r.Server; s != nil {
		row(
			"server", "running since %s, pid %d, version %s", s.StartedAt.Local().Format(time.DateTime), s.PID,
			s.Version,
		)
		if s.Config != "" && !installation.SameFile(s.Config, r.Config) {
			row("", "with %s", s.Config)
		}
		row("address", "%s", s.Address)
		row("storage", "%s", s.Storage)
		users := "users"
		if s.Users == 1 {
			users = "user"
		}
		row("sign-in", "%s, %d %s", s.Auth, s.Users, users)
		row("tls", "%s", s.TLS)
		if !s.CertificateEnds.IsZero() {
			row("certificate", "served until %s", s.CertificateEnds.Local().Format(time.DateTime))
		}
		row("health", "%s", healthWord(s.Health))
		if s.Reload != nil {
			word := "taken up"
			if s.Reload.Error != "" {
				word = "refused"
			}
			row("last reload", "%s, %s", s.Reload.At.Local().Format(time.DateTime), word)
		}
	} else if slices.ContainsFunc(r.Findings, func(f finding.Finding) bool { return f.Code == deployment.FindingNotRunning }) {
		row("server", "not running")
	}
	if c := r.Certificate; c != nil && r.Server == nil {
		row("certificate", "%s, until %s", c.Path, c.Ends.Local().Format(time.DateTime))
	}
	for _, d := range r.Changed {
		row("changed", "%s: %s since setup wrote it", d.Path, d.What)
	}
	_ = w.Flush() // errors of standard output are handled by results
	for _, f := range r.Findings {
		fmt.Fprintf(a.Stdout, "! %s\n", f)
	}
}

func healthWord(codes []string) string {
	if len(codes) == 0 {
		return "UP"
	}
	return "DOWN: " + strings.Join(codes, ", ")
}
