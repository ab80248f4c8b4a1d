package plan

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
)

// Fault is an error in a configuration that the server refuses, with the surrounding lines. It
// contains no secrets.
type Fault struct {
	finding.Finding

	Excerpt []ExcerptLine // empty without a line
}

// ExcerptLine is a line of a file.
type ExcerptLine struct {
	Number int
	Text   string
	Here   bool // the faulty line
}

// InPlace is the ID of the repair that changes single values.
const InPlace = "in-place"

// Repair is a way to repair a configuration so that the server accepts it.
type Repair struct {
	ID    string   // InPlace, "backup" or "anew"
	Title string   // "Repair in place"
	Text  string   // a sentence that describes it
	Steps []string // changes, for the review
	Data  []byte   // resulting myconfig.yml
}

// Faults returns the errors in a configuration, ordered by line.
func Faults(path string, data []byte) []Fault {
	lines := strings.Split(strings.TrimSuffix(string(masked(data)), "\n"), "\n")
	var faults []Fault
	for _, p := range problemsOf(path, data) {
		p.File = "" // the caller knows it
		f := Fault{Finding: p}
		for number := max(p.Line-1, 1); p.Line > 0 && number <= min(p.Line+1, len(lines)); number++ {
			f.Excerpt = append(f.Excerpt,
				ExcerptLine{Number: number, Text: strings.TrimSuffix(lines[number-1], "\r"), Here: number == p.Line})
		}
		faults = append(faults, f)
	}
	return faults
}

// Repairs returns the ways to turn a refused configuration into one that the server accepts, the
// least invasive first. Edits made by hand are kept in the file, or in the backup that applying
// creates.
func Repairs(ctx context.Context, m *machine.Machine, in *installation.Installed, data []byte) []Repair {
	path := in.Path(installation.ConfigFile)
	var ways []Repair
	if mended, steps, ok := mend(path, data); ok {
		ways = append(ways, Repair{
			ID: InPlace, Title: "Repair in place", Steps: steps, Data: mended,
			Text: countLines(len(steps)) + " of the file, the rest stays as it is",
		})
	}
	if kept := goodConfig(in); kept != nil && !bytes.Equal(kept.data, data) {
		ways = append(ways,
			Repair{ID: "backup", Title: "Restore the backup", Text: kept.what, Data: kept.data, Steps: []string{kept.what}})
	}
	if fresh := fromGlimpse(ctx, in, m, data); fresh != nil {
		ways = append(ways, Repair{
			ID: "anew", Title: "Write a new file", Text: "with the settings that can still be read, and defaults for the others", Data: fresh,
			Steps: []string{"written with the settings that could still be read"},
		})
	}
	return ways
}

func countLines(n int) string {
	if n == 1 {
		return "one line"
	}
	return fmt.Sprintf("%d places", n)
}

// goodConfig returns the newest myconfig.yml of a backup that the server accepts, or nil. For each
// backup it prefers the content before the change to the content after it.
func goodConfig(in *installation.Installed) *goodCopy {
	path := in.Path(installation.ConfigFile)
	for _, name := range slices.Backward(installation.Backups(in.Dir)) {
		at, _ := time.Parse(installation.BackupTime, name)
		if data := replacedIn(in, name, path); data != nil && problemsOf(path, data) == nil {
			return &goodCopy{data, "the file as it was before " + at.Local().Format(time.DateTime)}
		}
		if data := ManagedIn(in, name, path); data != nil && problemsOf(path, data) == nil {
			return &goodCopy{data, "the file as it was after the change of " + at.Local().Format(time.DateTime)}
		}
	}
	return nil
}

// replacedIn returns the content of a file that the change of a backup replaced, or nil.
func replacedIn(in *installation.Installed, generation, path string) []byte {
	from := filepath.Join(in.Dir, installation.BackupDir, generation)
	record, err := installation.ReadJournal(installation.RootsOf(in.Dir).WithUnit(in.Unit),
		filepath.Join(from, installation.RecordFile))
	if err != nil {
		return nil
	}
	for _, s := range record.Steps {
		if s.Path == path && s.Existed {
			if data, err := in.Places().Read(filepath.Join(from, filepath.Base(s.Old))); err == nil {
				return data
			}
		}
	}
	return nil
}

// fromGlimpse creates a new configuration from the readable parts of a broken one. It returns nil
// if the server would not accept the result.
func fromGlimpse(ctx context.Context, in *installation.Installed, m *machine.Machine, data []byte) []byte {
	original := data
	for range mostMends { // fix what can be fixed, so that a misspelled key keeps its value
		better, _ := mendOne(in.Path(installation.ConfigFile), data, problemsOf(in.Path(installation.ConfigFile), data))
		if better == nil {
			break
		}
		data = better
	}
	seen := *in
	seen.ConfigData, seen.Problem, seen.Users = data, nil, nil
	seen.Config = config.Glimpse(config.Source{
		Path: in.Path(installation.ConfigFile),
		Data: readable(in.Path(installation.ConfigFile), data),
	})
	if tls := &seen.Config.HTTP.TLS; in.Manifest != nil && tls.Certificate == "" && !tls.LetsEncrypt.Enabled() {
		switch setup.TLSMode(in.Manifest.Settings["tls"]) { // an unreadable line does not prove that TLS was off
		case setup.PrivateCA, setup.SelfSigned:
			tls.Certificate, tls.Key = in.Path(installation.CertFile), in.Path(installation.KeyFile)
		case setup.Files, setup.LetsEncrypt:
			return nil
		case setup.Off:
		}
	}
	installation.LoadUsers(&seen)
	installation.LoadCertificates(&seen, m.Time())
	resolved, _ := answer.Resolve(ctx, m, &seen, answer.Input{Quick: true})
	fresh, _, err := configFile(&installation.Installed{Dir: in.Dir}, &resolved.Answers)
	if err != nil || problemsOf(in.Path(installation.ConfigFile), fresh) != nil {
		return nil
	}
	return withSalvaged(in, withSalvaged(in, fresh, data), original)
}

// withSalvaged adds the readable settings of the old configuration to the new one, as far as the
// server accepts them. Users, storage and TLS are those of the new configuration.
func withSalvaged(in *installation.Installed, fresh, old []byte) []byte {
	for _, edit := range config.Salvage(old) {
		section, _, _ := strings.Cut(edit.Key, ".")
		if section == "auth" || section == "storage" || strings.HasPrefix(edit.Key, "http.tls") {
			continue
		}
		if better, err := config.Apply(fresh, []config.Edit{edit}); err == nil &&
			problemsOf(in.Path(installation.ConfigFile), better) == nil {
			fresh = better
		}
	}
	return fresh
}

// readable removes the lines that are not valid YAML, so that the rest can be parsed.
func readable(path string, data []byte) []byte {
	for range mostMends {
		problems := problemsOf(path, data)
		if len(problems) == 0 || problems[0].Code != config.CodeSyntax {
			return data
		}
		t := newText(data)
		at := problems[0].Line - 1
		if at < 0 || at >= len(t.lines) || len(bytes.TrimSpace(t.lines[at])) == 0 {
			return data
		}
		t.lines[at] = []byte("\n")
		data = t.bytes()
	}
	return data
}

// ForRepair plans to replace myconfig.yml with data. from is the content the user reviewed: a file
// that changed since is not overwritten. The backup keeps the previous content. It returns a
// *finding.Error if the server would refuse data.
func ForRepair(in *installation.Installed, from, data []byte, steps []string) (*Plan, error) {
	b := restoring(in)
	if !bytes.Equal(in.ConfigData, from) {
		return nil, setup.Refusal(setup.CodeChanged,
			in.Path(installation.ConfigFile)+" has become another file meanwhile", "look at it again")
	}
	if err := b.verifyConfig(data); err != nil {
		return nil, err
	}
	b.put(b.path(installation.ConfigFile), 0o644, data, false,
		append(slices.Clone(steps), "the file as it is now is kept in the backup")...)
	if old := in.Manifest; old != nil {
		m := *old
		m.Files = slices.Clone(old.Files)
		for i := range m.Files {
			if m.Files[i].Path == installation.ConfigFile {
				m.Files[i].SHA256 = installation.Sum(data)
			}
		}
		encoded, err := m.Encode(b.plan.roots())
		if err != nil {
			return nil, err
		}
		b.file(installation.ManifestFile, encoded, "what setup wrote, so that changes are seen")
	}
	if b.err != nil {
		return nil, fmt.Errorf("make plan: %w", b.err)
	}
	return b.plan, nil
}
