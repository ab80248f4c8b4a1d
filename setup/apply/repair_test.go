package apply

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"packhouse/server/config"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/plan"
)

// broken is an installation whose myconfig.yml somebody edited.
func broken(t *testing.T, replacements ...string) (*machine.Machine, *installation.Installed) {
	t.Helper()
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, answer.Values{"user": {"ci:writer"}, "addr": {":5443"}})
	path := filepath.Join(dir, installation.ConfigFile)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	edited := strings.NewReplacer(replacements...).Replace(string(data))
	if edited == string(data) {
		t.Fatalf("nothing was edited in\n%s", data)
	}
	if err := os.WriteFile(path, []byte(edited), 0o644); err != nil {
		t.Fatal(err)
	}
	in, err := installation.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !in.Refused() {
		t.Fatalf("the server takes it:\n%s", edited)
	}
	return m, in
}

func repairNamed(ways []plan.Repair, id string) *plan.Repair {
	i := slices.IndexFunc(ways, func(r plan.Repair) bool { return r.ID == id })
	if i < 0 {
		return nil
	}
	return &ways[i]
}

func TestMend(t *testing.T) {
	for _, tc := range []struct {
		name   string
		edit   []string
		mended []string // texts of the result; none: nothing is mended without somebody
		steps  string
	}{
		{"misspelt key", []string{"  addr:", "  adr:"}, []string{"\n  addr: \":5443\""}, "line 17: adr becomes addr"},
		{"unknown key", []string{"http:\n", "http:\n  bananas: 3\n"}, []string{"\n  # bananas: 3\n"}, "line 17: bananas is commented out"},
		{"unknown section", []string{"\nhttp:\n", "\nfruit:\n  bananas: 3\n\n  # ripe\n  list:\n  - a\n\nhttp:\n"}, []string{"\n# fruit:\n#   bananas: 3\n\n  # ripe\n#   list:\n#   - a\n\nhttp:\n"}, "line 16: fruit is commented out"},
		{"value", []string{"level: info", "level: loud"}, []string{"\n  # level: loud"}, "line 7: level is commented out"},
		{"a guess that does not help", []string{"http:\n", "http:\n  timeout: 3 bananas\n"}, []string{"\n  # timeout: 3 bananas\n"}, "line 17: timeout is commented out"},
		{"tab", []string{"  addr:", "\taddr:"}, []string{"\n  addr: \":5443\""}, "line 17: tabs become blanks"},
		{"three at once", []string{"  addr:", "\tadr:", "level: info", "levle: info"}, []string{"\n  addr: \":5443\"", "\n  level: info"}, "line 7: levle becomes level\nline 17: adr becomes addr"},
		{"same key twice", []string{"level: info", "level: info\n  level: debug"}, []string{"\n  # level: debug"}, "line 8: level is commented out"},
		{"who may come in is not guessed", []string{"realm: packhouse", "realm: packhouse\n    allowed: [10.0.0.0/8]"}, nil, ""},
		{"TLS is not guessed", []string{"minimumtls: tls1.2", "minimumtls: tls9"}, nil, ""},
		{"the address is not guessed", []string{`addr: ":5443"`, "addr: everywhere"}, nil, ""},
		{"a bracket", []string{"admin: [admin]", "admin: [admin"}, nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, in := broken(t, tc.edit...)
			way := repairNamed(plan.Repairs(t.Context(), m, in, in.ConfigData), plan.InPlace)
			if len(tc.mended) == 0 {
				if way != nil {
					t.Fatalf("mended by %q:\n%s", way.Steps, way.Data)
				}
				return
			}
			if way == nil {
				t.Fatalf("not mended: %v", in.Problem)
			}
			for _, want := range tc.mended {
				if !strings.Contains(string(way.Data), want) {
					t.Errorf("%q is not in\n%s", want, way.Data)
				}
			}
			steps := strings.Split(strings.Join(way.Steps, "\n"), "\n")
			for want := range strings.SplitSeq(tc.steps, "\n") {
				if !slices.ContainsFunc(steps, func(s string) bool { return strings.HasPrefix(s, want) }) {
					t.Errorf("%q is no step of %q", want, steps)
				}
			}
			// Nothing that somebody wrote is gone: without blanks and signs of comments the two files differ in the names of keys only.
			if strings.Count(string(way.Data), "\n") != strings.Count(string(in.ConfigData), "\n") {
				t.Error("lines were added or taken away")
			}
		})
	}
}

// TestRepairIsKeptInTheBackup: what was edited by hand comes back with a rollback, to the byte; and the manager finds nothing to complain of.
func TestRepairIsKeptInTheBackup(t *testing.T) {
	m, in := broken(t, "  addr:", "  # by hand\n  adr:")
	edited := bytes.Clone(in.ConfigData)
	way := repairNamed(plan.Repairs(t.Context(), m, in, in.ConfigData), plan.InPlace)
	planned, err := plan.ForRepair(in, in.ConfigData, way.Data, way.Steps)
	if err != nil {
		t.Fatal(err)
	}
	if diff := planned.Diff(installation.ConfigFile); !strings.Contains(diff, "-  adr: \":5443\"\n+  addr: \":5443\"") {
		t.Errorf("the review does not show what changes:\n%s", diff)
	}
	if _, err := Apply(t.Context(), planned, Options{}); err != nil {
		t.Fatal(err)
	}
	if in, err = installation.Load(in.Dir); err != nil || in.Problem != nil || len(in.Drift) > 0 {
		t.Fatalf("afterwards: %v, %v, drift %v", err, in.Problem, in.Drift)
	}
	back, err := plan.Rollback(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Apply(t.Context(), back, Options{}); err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(filepath.Join(in.Dir, installation.ConfigFile)); !bytes.Equal(data, edited) {
		t.Errorf("the rollback gives another file:\n%s", data)
	}
}

// TestRepairFromTheBackup: the generation that is kept is offered where the server takes it.
func TestRepairFromTheBackup(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	first := install(t, m, dir, nil).Config()
	m.Now = func() time.Time { return machinetest.Now.Add(time.Minute) }
	install(t, m, dir, answer.Values{"realm": {"elsewhere"}})
	if err := os.WriteFile(filepath.Join(dir, installation.ConfigFile), []byte("nonsense"), 0o644); err != nil {
		t.Fatal(err)
	}
	in, err := installation.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	way := repairNamed(plan.Repairs(t.Context(), m, in, in.ConfigData), "backup")
	if way == nil || !bytes.Equal(way.Data, first) {
		t.Fatalf("not offered: %+v", way)
	}
}

// TestRepairAnew: what can be read of a file that is no YAML any more is kept.
func TestRepairAnew(t *testing.T) {
	m, in := broken(t, "admin: [admin]", "admin: [admin", "realm: packhouse", "realm: ours")
	way := repairNamed(plan.Repairs(t.Context(), m, in, in.ConfigData), "anew")
	if way == nil {
		t.Fatal("not offered")
	}
	loaded, err := config.Load(config.Source{Data: way.Data})
	if err != nil {
		t.Fatal(err)
	}
	c := loaded.Config
	if c.HTTP.Addr != ":5443" || c.Auth.Htpasswd.Realm != "ours" ||
		c.HTTP.TLS.Certificate != in.Path(installation.CertFile) ||
		!slices.Equal(c.Auth.Htpasswd.Roles.Admin, []string{"admin"}) {
		t.Errorf("written anew as\n%s", way.Data)
	}

	m, in = broken(t, "  tls:\n", "  tls: [\n") // that it was off is not to be concluded
	if way = repairNamed(plan.Repairs(t.Context(), m, in, in.ConfigData), "anew"); way != nil &&
		!strings.Contains(string(way.Data), installation.CertFile) {
		t.Errorf("TLS was switched off:\n%s", way.Data)
	}
}

// TestRepairAnewKeepsSettings: a new file keeps every setting that can be read, whatever is wrong elsewhere.
func TestRepairAnewKeepsSettings(t *testing.T) {
	hand := "  addr: \":5443\"\n  draintimeout: 45s"
	for _, c := range []struct {
		name     string
		replaced []string
	}{
		{"list that does not end", []string{"admin: [admin]", "admin: [admin", `  addr: ":5443"`, hand}},
		{"misspelt key", []string{`  addr: ":5443"`, "  adr: \":5443\"\n  draintimeout: 45s"}},
		{"lost indentation", []string{"\n  ", "\n", "\n    ", "\n", "\n      ", "\n", "addr: \":5443\"", "addr: \":5443\"\ndraintimeout: 45s"}},
		{"section that does not end", []string{"log:\n", "log: [\n", `  addr: ":5443"`, hand}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, in := broken(t, c.replaced...)
			way := repairNamed(plan.Repairs(t.Context(), m, in, in.ConfigData), "anew")
			if way == nil {
				t.Fatal("not offered")
			}
			loaded, err := config.Load(config.Source{Data: way.Data})
			if err != nil {
				t.Fatal(err)
			}
			if h := loaded.Config.HTTP; h.Addr != ":5443" || h.DrainTimeout != 45*time.Second {
				t.Errorf("a new file has addr %q, draintimeout %v:\n%s", h.Addr, h.DrainTimeout, way.Data)
			}
		})
	}
}

// TestRepairLooksAgain: a file that became another meanwhile is not written over, and what the server would refuse is never written.
func TestRepairLooksAgain(t *testing.T) {
	m, in := broken(t, "  addr:", "  adr:")
	way := repairNamed(plan.Repairs(t.Context(), m, in, in.ConfigData), plan.InPlace)
	if _, err := plan.ForRepair(in, []byte("something else"), way.Data, nil); err == nil ||
		!strings.Contains(err.Error(), "another file meanwhile") {
		t.Errorf("planned over a file that nobody looked at: %v", err)
	}
	if _, err := plan.ForRepair(in, in.ConfigData, []byte("nonsense"), nil); err == nil {
		t.Error("planned what the server would refuse")
	}
}

func TestFaults(t *testing.T) {
	_, in := broken(t, "  addr:", "  secret: tr0mbone\n  adr:")
	faults := plan.Faults(in.Path(installation.ConfigFile), in.ConfigData)
	at := slices.IndexFunc(faults, func(f plan.Fault) bool { return strings.Contains(f.What, "http.adr") })
	if at < 0 {
		t.Fatalf("faults: %+v", faults)
	}
	f := faults[at]
	if f.Line != 18 || f.Column != 3 || f.Remedy != "did you mean http.addr?" || len(f.Excerpt) != 3 ||
		!f.Excerpt[1].Here ||
		f.Excerpt[1].Text != `  adr: ":5443"` {
		t.Errorf("fault: %+v", f)
	}
	if strings.Contains(f.Excerpt[0].Text, "tr0mbone") {
		t.Errorf("a secret is shown: %q", f.Excerpt[0].Text)
	}
}
