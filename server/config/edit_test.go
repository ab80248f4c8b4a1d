package config

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"packhouse/racetest"
)

func TestApplyRefuses(t *testing.T) {
	tests := []struct {
		before string
		edit   Edit
		want   string
	}{
		{"version: 0.1\n", Edit{Key: "http.tls.cert", Value: "x"}, "edit http.tls.cert: unknown key"},
		{"version: 0.1\nhttp: [a\n", Edit{Key: "http.addr", Value: "x"}, "edit http.addr on line 2: a list that starts with [ does not end"},
		{"version: 0.1\nhttp: &a\n  addr: :1\nlog: *a\n", Edit{Key: "log.level", Value: "info"}, "edit log.level on line 4: the value has an anchor or is an alias; edit it by hand"},
		{"version: 0.1\nhttp:\n  addr: &a :1\n", Edit{Key: "http.addr", Value: ":2"}, "edit http.addr on line 3: the value has an anchor or is an alias; edit it by hand"},
		{"version: 0.1\nhttp:\n  - addr\n", Edit{Key: "http.addr", Value: ":2"}, "edit http.addr on line 3: there is a list instead of a section"},
		{"version: 0.1\nhttp:\n  host: >\n    x\n", Edit{Key: "http.host", Value: "y"}, "edit http.host on line 3: the value is a block of text; edit it by hand"},
		{"version: 0.1\nversion: 0.1\n", Edit{Key: "http.addr", Value: ":2"}, `edit http.addr on line 2: duplicate key "version"`},
		{"version: 0.1\n", Edit{Key: "http.host", Value: "a\nb"}, "edit http.host: the value holds a control character"},
		{"x: &a {addr: 1}\nhttp:\n  <<: *a\n", Edit{Key: "http.addr", Remove: true}, "edit http.addr on line 3: the key comes from elsewhere (<<); edit it by hand"},
	}
	for _, tt := range tests {
		_, err := Apply([]byte(tt.before), []Edit{tt.edit})
		var edit *EditError
		if !errors.As(err, &edit) || err.Error() != tt.want {
			t.Errorf("Apply(%q, %s) = %v, want %s", tt.before, tt.edit.Key, err, tt.want)
		}
	}
}

// TestApplyKeepsLines edits random documents: whatever stands on a line that the edit is not about is the same to the byte afterwards, and
// the file means what was asked for (which Apply itself makes sure of, or refuses).
func TestApplyKeepsLines(t *testing.T) {
	done, refusedCount := 0, 0
	for seed := range racetest.Sample[uint64](1500, 150) {
		r := rand.New(rand.NewPCG(seed, 7))
		before := randomDocument(r)
		var edits []Edit
		for range 1 + r.IntN(3) {
			edits = append(edits, randomEdit(r))
		}
		after, err := Apply([]byte(before), edits)
		if err != nil {
			refusedCount++
			if _, ok := errors.AsType[*EditError](err); !ok {
				t.Fatalf("seed %d: %v", seed, err)
			}
			t.Logf("seed %d: %v\n%s", seed, err, before)
			continue
		}
		done++
		touched, removes := map[string]bool{}, false
		for _, e := range edits {
			removes = removes || e.Remove
			for name := range strings.SplitSeq(e.Key, ".") {
				touched[name] = true
			}
		}
		rest := slices.Collect(strings.Lines(string(after)))
		for line := range strings.Lines(before) {
			if about(line, touched, removes) {
				continue
			}
			at := slices.Index(rest, line)
			if at < 0 {
				t.Fatalf("seed %d: line %q is gone or out of place\n--- edits %+v\n--- before\n%s\n--- after\n%s", seed, line, edits, before, after)
			}
			rest = rest[at+1:]
		}
		again, err := Apply(after, edits[len(edits)-1:])
		if err != nil || !bytes.Equal(again, after) {
			t.Fatalf("seed %d: a second edit changed the file again (%v)\n%s\n---\n%s", seed, err, after, again)
		}
	}
	if refusedCount > done/20 {
		t.Errorf("%d edits done, %d refused", done, refusedCount)
	}
}

// about tells whether a line of a random document belongs to one of the touched keys, to a list below one, or is a comment that may go
// together with its section.
func about(line string, touched map[string]bool, removes bool) bool {
	text := strings.TrimSpace(line)
	switch {
	case text == "", line[0] == ' ' && text[0] == '#':
		return removes
	case text[0] == '#':
		return false
	case text[0] == '-':
		return true
	}
	for name := range touched {
		if strings.Contains(line, name+":") {
			return true
		}
	}
	return false
}

var editKeys = []string{
	"http.addr", "http.host", "http.insecure", "http.tls.certificate", "http.tls.key", "http.tls.clientcas", "http.headers.X-Frame-Options",
	"http.headers.X-Test", "log.level", "log.fields.service", "log.fields.team", "auth.htpasswd.realm", "auth.htpasswd.roles.writer",
	"auth.htpasswd.lockout.window", "storage.filesystem.rootdirectory", "storage.maintenance.gc.window", "packs.base",
}

func randomEdit(r *rand.Rand) Edit {
	e := Edit{Key: editKeys[r.IntN(len(editKeys))]}
	switch {
	case r.IntN(4) == 0:
		e.Remove = true
	case strings.Contains(e.Key, "headers") || strings.HasSuffix(e.Key, "clientcas") || strings.HasSuffix(e.Key, "writer"):
		e.Value = []string{randomText(r), randomText(r)}[:r.IntN(3)]
	default:
		e.Value = randomText(r)
	}
	return e
}

func randomText(r *rand.Rand) string {
	texts := []string{"a", ":5000", "it's", `say "hi"`, "a # b", "a: b", "[x]", "{y}", "no", "0123", "ümläut", " lead", "trail ", "*x", "&x", "a, b", "", "%", "- x", "?"}
	return texts[r.IntN(len(texts))]
}

// rendered returns a text as YAML, in quotes if it needs them.
func rendered(text string, flow bool) string {
	list := &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode}}}
	list.Content[0].SetString(text)
	if flow {
		list.Style = yaml.FlowStyle
	}
	b, err := yaml.Marshal(list)
	if err != nil {
		panic(err)
	}
	b = bytes.TrimSpace(b)
	if flow {
		return string(b[1 : len(b)-1])
	}
	return string(bytes.TrimPrefix(b, []byte("- ")))
}

// randomDocument writes the keys in random styles, with comments and blank lines between.
func randomDocument(r *rand.Rand) string {
	var b strings.Builder
	step := []int{2, 4, 3}[r.IntN(3)]
	noise := func(indent int) {
		switch r.IntN(6) {
		case 0:
			b.WriteString("\n")
		case 1:
			fmt.Fprintf(&b, "%s# ümläut comment %d\n", strings.Repeat(" ", indent), r.IntN(1000))
		}
	}
	comment := func() string {
		return []string{"", "", "  # why not"}[r.IntN(3)]
	}
	scalarOf := func(flow bool) string {
		v := randomText(r)
		if r.IntN(3) == 0 {
			return fmt.Sprintf("'%s'", strings.ReplaceAll(v, "'", "''"))
		}
		return rendered(v, flow)
	}
	var level func(k *key, indent int)
	level = func(k *key, indent int) {
		pad := strings.Repeat(" ", indent)
		for _, c := range k.keys {
			if r.IntN(2) == 0 && indent > 0 || c.status == refused || c.kind == entries || c.kind == anything {
				continue
			}
			noise(indent)
			switch {
			case c.kind == section && len(c.keys) > 0 && r.IntN(5) == 0:
				var parts []string
				for _, x := range c.keys {
					if x.kind == text && r.IntN(2) == 0 {
						parts = append(parts, x.name+": "+scalarOf(true))
					}
				}
				fmt.Fprintf(&b, "%s%s: {%s}%s\n", pad, c.name, strings.Join(parts, ", "), comment())
			case c.kind == section:
				fmt.Fprintf(&b, "%s%s:%s\n", pad, c.name, comment())
				level(c, indent+step)
			case c.kind == list && r.IntN(2) == 0:
				fmt.Fprintf(&b, "%s%s:%s\n", pad, c.name, comment())
				dash := pad + strings.Repeat(" ", step*r.IntN(2))
				for range 1 + r.IntN(3) {
					fmt.Fprintf(&b, "%s- %s%s\n", dash, scalarOf(false), comment())
				}
			case c.kind == list:
				fmt.Fprintf(&b, "%s%s: [%s, %s]%s\n", pad, c.name, scalarOf(true), scalarOf(true), comment())
			case c.kind == table:
				fmt.Fprintf(&b, "%s%s:\n%s  service: %s%s\n", pad, c.name, pad, scalarOf(false), comment())
			case c.kind == headers:
				fmt.Fprintf(&b, "%s%s:\n%s  X-Frame-Options: [%s]\n", pad, c.name, pad, scalarOf(true))
			default:
				fmt.Fprintf(&b, "%s%s: %s%s\n", pad, c.name, scalarOf(false), comment())
			}
		}
	}
	level(root, 0)
	return b.String()
}
