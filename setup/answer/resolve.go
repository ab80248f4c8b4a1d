package answer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/question"
	"packhouse/spelling"
	"packhouse/trust"
)

// Resolve answers every question from flags, environment, answers file, existing installation,
// detection and defaults, in this order. The findings report everything missing, wrong or notable
// at once. in may be nil.
func Resolve(ctx context.Context, m *machine.Machine, in *installation.Installed, input Input) (Resolved,
	[]finding.Finding,
) {
	if in == nil {
		in = &installation.Installed{}
	}
	r := &resolver{ctx: ctx, machine: m, installed: in, input: input, origins: map[string]Origin{}}
	env, passwords := environment(input.Env)
	r.layers = []layer{{FromFlag, input.Flags}, {FromEnvironment, env}}
	if input.File != nil {
		r.layers = append(r.layers, layer{FromAnswersFile, input.File.Values})
	}
	r.answers.Existing, r.answers.Program = in, input.Program
	r.answers.Serve, r.answers.Offline = r.is("serve"), r.is("offline")
	r.directory()
	r.recorded()
	r.scalars()
	r.lostStorage()
	r.names()
	r.users()
	r.passwords(passwords)
	for _, edit := range input.Edits {
		edit(&r.answers)
	}
	r.existing()
	r.surroundings()
	r.idle()
	if !in.Refused() { // otherwise the answers do not come from the installation, and findings would not be the user's fault
		r.examine()
	}
	return Resolved{Answers: r.answers, Origins: r.origins}, r.findings
}

// examine adds the findings of [question.Examine]. An answer that was refused is not reported as missing too.
func (r *resolver) examine() {
	refused := slices.Clone(r.findings)
	for _, f := range question.Examine(r.ctx, r.machine, &r.answers, !r.input.Quick) {
		if f.Code != setup.CodeMissing || !slices.ContainsFunc(refused, func(g finding.Finding) bool {
			return g.Severity == finding.Refused && g.Question == f.Question
		}) {
			r.findings = append(r.findings, f)
		}
	}
}

// layer is a source of explicit answers.
type layer struct {
	origin Origin
	values Values
}

type resolver struct {
	ctx       context.Context
	machine   *machine.Machine
	installed *installation.Installed
	input     Input
	layers    []layer // highest precedence first
	source    string  // of the answers of a lost myconfig.yml, for a message: " with …"

	answers  question.Answers
	origins  map[string]Origin
	findings []finding.Finding
}

// given returns the answer to a flag that has precedence.
func (r *resolver) given(flag string) (string, Origin, bool) {
	for _, l := range r.layers {
		if v := l.values[flag]; len(v) > 0 {
			return v[len(v)-1], l.origin, true
		}
	}
	return "", "", false
}

// is reports whether a flag without a question is given and true.
func (r *resolver) is(flag string) bool {
	text, _, _ := r.given(flag)
	is, _ := question.ParseBool(text)
	return is
}

// answer returns the answer to a flag that has precedence. For a repeatable flag it joins all
// values of that layer with commas.
func (r *resolver) answer(flag question.Flag) (string, Origin, bool) {
	for _, l := range r.layers {
		if v := l.values[flag.Name]; len(v) > 0 && flag.Kind == question.FlagList {
			return strings.Join(v, ","), l.origin, true
		}
	}
	return r.given(flag.Name)
}

// all returns the values of an additive flag from all layers, lowest precedence first, and the
// origin with the highest.
func (r *resolver) all(flag string) (texts []string, origin Origin) {
	for _, l := range slices.Backward(r.layers) {
		if v := l.values[flag]; len(v) > 0 {
			texts, origin = append(texts, v...), l.origin
		}
	}
	return texts, origin
}

func (r *resolver) refuse(id, flag, code, what, remedy string) {
	r.report(setup.Refuse(code, what, remedy), id, flag)
}

// report adds a finding about a question and a flag; empty: about none.
func (r *resolver) report(f finding.Finding, id, flag string) {
	r.findings = append(r.findings, f.About(id, flag))
}

func (r *resolver) directory() {
	dir, _, ok := r.given("dir")
	if !ok {
		dir = cmp.Or(r.installed.Dir, r.machine.ConfigDir)
	}
	if dir == "" { // likely an unset variable in a script, not the current directory
		r.refuse("dir", "--dir", setup.CodeDir, "the installation directory is empty", "name one with --dir, or set HOME")
		return
	}
	absolute, err := trust.Abs(dir)
	if err != nil {
		r.refuse("dir", "--dir", setup.CodeDir, err.Error(), "give an absolute path")
		absolute = dir
	}
	r.answers.Dir = absolute
}

// scalars answers every question that has a single value.
func (r *resolver) scalars() {
	r.base()
	for _, q := range question.All() {
		flag := q.Flags[q.Main]
		text, origin, ok := r.answer(flag)
		if !ok || q.Kind == question.Names || q.Kind == question.Users || q.Kind == question.Hidden {
			continue
		}
		if err := q.Set(&r.answers, text); err != nil {
			r.refuse(q.ID, "--"+flag.Name, setup.CodeValue, fmt.Sprintf("%q %v", setup.Clip(text), err), "")
			continue
		}
		r.origins[q.ID] = origin
	}
	r.secretKey()
	if text, _, ok := r.given("ca-key"); ok {
		if path, err := setup.Absolute(text); err == nil {
			r.answers.CAKey = path
		}
	}
	if r.answers.Addr == "" {
		r.defaultAddr()
	}
	r.whoServes()
}

// from records the origin of answers.
func (r *resolver) from(origin Origin, ids ...string) {
	for _, id := range ids {
		r.origins[id] = origin
	}
}

// base sets the values that do not come from the user: existing installation, then detection, then
// defaults.
func (r *resolver) base() {
	a, in := &r.answers, r.installed
	for _, q := range question.All() {
		if q.Default != "" {
			*q.Answer(a), r.origins[q.ID] = q.Default, FromDefault
		}
	}
	a.Hostname, a.StoragePath = r.machine.Names[0], r.machine.DefaultStoragePath(a.Dir)
	r.from(FromDetection, "hostname")
	r.from(FromDefault, "storage-path", "cert-days", "addr")
	r.region()
	for id, field := range map[string]*string{
		"hostname": &a.Hostname, "service": &a.Service, installation.SettingRunAs: &a.RunAs, "public-url": &a.PublicURL,
	} {
		if in.Manifest != nil && in.Manifest.Settings[id] != "" {
			*field, r.origins[id] = in.Manifest.Settings[id], FromInstallation
		}
	}
	if in.Config != nil {
		r.baseConfig(in.Config)
	}
	if in.Config != nil && in.Cert != nil {
		r.baseCertificate()
	}
}

// baseConfig sets the values of the configuration.
func (r *resolver) baseConfig(c *config.Config) {
	a, in := &r.answers, r.installed
	a.Addr, a.TLS, a.Insecure = c.HTTP.Addr, setup.TLSMode(in.TLSMode()), c.HTTP.Insecure
	a.Storage, a.LogLevel = c.Storage.Driver, strings.ToLower(c.Log.Level)
	r.from(FromInstallation, "addr", "tls", "insecure", "storage", "log-level")
	switch c.Storage.Driver {
	case config.Filesystem:
		a.StoragePath = c.Storage.Filesystem.RootDirectory
		r.from(FromInstallation, "storage-path")
	case config.S3:
		a.S3 = c.Storage.S3
		for _, q := range question.All() {
			if strings.HasPrefix(q.ID, "s3-") {
				r.from(FromInstallation, q.ID)
			}
		}
	case config.InMemory:
		a.InMemoryConfirmed = true
		r.from(FromInstallation, "confirm-inmemory")
	}
	if c.Auth.Method == config.AuthHtpasswd {
		a.Realm = c.Auth.Htpasswd.Realm
		r.from(FromInstallation, "realm")
	}
	if a.TLS == setup.Files {
		a.CertFile, a.KeyFile = c.HTTP.TLS.Certificate, c.HTTP.TLS.Key
		r.from(FromInstallation, "cert", "key")
		if _, err := os.Stat(in.Path(installation.OwnCAFile)); err == nil {
			a.TLSCA = in.Path(installation.OwnCAFile)
			r.from(FromInstallation, "tls-ca")
		}
	}
	if l := c.HTTP.TLS.LetsEncrypt; l.Enabled() {
		a.ACMEEmail, a.ACMEDirectory, a.ACMECA = l.Email, l.DirectoryURL, l.CAFile
		a.EABKeyID, a.EABKeyFile = l.EABKeyID, l.EABKeyFile
		r.from(FromInstallation, "acme-email", "acme-directory", "acme-ca", "acme-eab-kid", "acme-eab-key")
		if r.origins["hostname"] == FromDetection && len(l.Hosts) > 0 {
			a.Hostname = l.Hosts[0]
			r.from(FromInstallation, "hostname")
		}
	}
}

// baseCertificate takes over the properties of the certificate in use, so that a re-run does not
// issue a different one.
func (r *resolver) baseCertificate() {
	a, leaf := &r.answers, r.installed.Cert
	if r.origins["hostname"] == FromDetection {
		for _, name := range leaf.Info.Names.Strings() {
			if _, _, err := machine.ParseName(name); err == nil { // skips wildcards
				a.Hostname = name
				r.from(FromInstallation, "hostname")
				break
			}
		}
	}
	if !question.Made(a) {
		return
	}
	a.KeyType, a.Subject = certgen.KeyType(leaf.Info.KeyType), certgen.FormatSubject(leaf.Chain[0].Subject)
	r.from(FromInstallation, "key-type", "subject")
	if limits, ok := a.InstalledLimits(); ok && a.TLS == setup.PrivateCA {
		a.CAPermit = limits
		r.from(FromInstallation, "ca-permit")
	}
	if days := installation.LifeDays(leaf.Chain[0]); days != a.LifetimeDays() && !installation.CutByCA(leaf.Chain) {
		a.CertDays = days
		r.from(FromInstallation, "cert-days")
	}
}

// defaultAddr is :443 if it can be bound, otherwise :5000.
func (r *resolver) defaultAddr() {
	r.answers.Addr = ":5000"
	if r.machine.Host.Listen(r.ctx, ":443") == nil {
		r.answers.Addr, r.origins["addr"] = ":443", FromDetection
	}
}

// names sets the SANs: those of the certificate in use or the detected names, then those requested.
func (r *resolver) names() {
	a := &r.answers
	r.origins["san"] = FromDetection
	a.SANs = machine.SuggestSANs(r.machine, a.Hostname)
	if r.installed.Cert != nil && question.Made(a) && r.installed.TLSMode() != string(setup.Files) {
		r.origins["san"] = FromInstallation
		have := r.installed.Cert.Info.Names.Strings()
		for i := range a.SANs {
			a.SANs[i].Ticked = slices.Contains(have, a.SANs[i].Name)
		}
		for _, name := range have {
			if name != machine.Canonical(a.Hostname) {
				a.AddSAN(name, setup.SANCertificate)
			}
		}
	}
	add, origin := r.all("san")
	for _, text := range add {
		for _, name := range setup.SplitList(text) {
			if machine.Canonical(name) != machine.Canonical(a.Hostname) {
				a.AddSAN(name, setup.SANTyped)
			}
		}
		r.origins["san"] = origin
	}
	if r.origins["addr"] != FromInstallation {
		a.ListenName()
	}
	take, origin := r.all("no-san")
	for _, text := range take {
		a.NoSANs = append(a.NoSANs, setup.SplitList(text)...)
		r.origins["san"] = origin
	}
	for _, name := range a.NoSANs {
		if i := slices.IndexFunc(a.SANs,
			func(s setup.SAN) bool { return machine.Canonical(s.Name) == machine.Canonical(name) }); i >= 0 {
			a.SANs[i].Ticked = false
			if slices.ContainsFunc(add, func(text string) bool { return slices.Contains(setup.SplitList(text), name) }) {
				r.refuse("san", "--no-san", setup.CodeConflict, name+" is to be added and to be taken away",
					"leave out one of --san and --no-san")
			}
		}
	}
}

// existing reports findings about the existing installation.
func (r *resolver) existing() {
	in := r.installed
	if f := in.Unfinished(); f != nil {
		r.refuse("", "", f.Code, f.What, f.Remedy)
	}
	var (
		problems config.Findings
		refusal  *finding.Error
	)
	switch {
	case errors.As(in.Problem, &refusal):
		r.findings = append(r.findings, refusal.Findings...)
	case errors.As(in.Problem, &problems):
		for _, p := range problems {
			r.refuse("", "", p.Code, strings.TrimPrefix(p.Where()+": ", ": ")+p.What, p.Remedy)
		}
	case errors.Is(in.Problem, fs.ErrPermission):
		r.refuse("", "", setup.CodeUnread, in.Problem.Error(), "run setup as the user who owns the installation, or as root")
	case in.Problem != nil:
		r.refuse("", "", setup.CodeBroken, in.Problem.Error(),
			"look at the file with ls -l "+setup.Shell(in.HtpasswdPath())+", or choose another directory with --dir")
	}
	r.userFaults()
	for _, d := range in.Drift {
		remedy := "what was edited by hand is kept"
		if d.What == "missing" {
			remedy = "setup writes it again"
			if d.Path == installation.ConfigFile {
				remedy += r.source
			}
		}
		r.findings = append(r.findings,
			setup.Remark(setup.CodeDrift, fmt.Sprintf("%s differs from what setup wrote: %s", d.Path, d.What), remedy))
	}
	if !r.answers.NewCA {
		for _, p := range in.AuthorityProblems(r.machine.Time()) {
			f := setup.Warn(p.Code, p.What, p.Remedy)
			r.report(f, "tls", "--new-ca")
		}
	}
	if in.Cert != nil && in.Cert.CloseEnd && question.Made(&r.answers) && !r.answers.RotateCert {
		days := spelling.Count(in.Cert.Info.DaysLeft(r.machine.Time()), "day")
		f := setup.Warn(setup.CodeCloseEnd, fmt.Sprintf("the certificate has %s left", days), "renew it")
		r.report(f, "tls", "--rotate-cert")
	}
}

// mostFaults is the maximum number of lines of a users file reported individually.
const mostFaults = 5

// userFaults reports unusable lines of the users file. Setup keeps them.
func (r *resolver) userFaults() {
	faults := r.installed.UserFaults
	for _, p := range faults[:min(len(faults), mostFaults)] {
		f := setup.Warn(p.Code, fmt.Sprintf("line %d of %s: %s", p.Line, r.installed.HtpasswdPath(), p.What), p.Remedy)
		if p.Severity == finding.Warning {
			f.Severity = finding.Note
		}
		r.report(f, "users", "")
	}
	if more := len(faults) - mostFaults; more > 0 {
		f := setup.Warn(faults[mostFaults].Code, fmt.Sprintf("%d more lines of it cannot be used, or not everywhere", more),
			"packhouse config verify lists them")
		r.report(f, "users", "")
	}
}

// idle warns about flags that have no effect with the other answers. It skips confirmations, which
// scripts may always pass, and the wizard, where the other answers may still change.
func (r *resolver) idle() {
	if r.input.Quick {
		return
	}
	for _, q := range question.All() {
		if q.Kind == question.Confirm || q.Asked(&r.answers) ||
			strings.HasPrefix(q.ID, "s3-") && !question.InBucket(&r.answers) { // refused elsewhere
			continue
		}
		for _, flag := range q.Flags {
			if len(r.input.Flags[flag.Name]) == 0 {
				continue
			}
			f := setup.Warn(setup.CodeConflict, "changes nothing here", "it belongs to "+q.Belongs)
			if q.ID == "cert" || q.ID == "key" { // a certificate that would not be used is probably a mistake
				f.Severity = finding.Refused
			}
			r.report(f, q.ID, "--"+flag.Name)
		}
	}
}
