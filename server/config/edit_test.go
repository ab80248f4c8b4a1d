package config

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestApply(t *testing.T) {
	tests := []struct {
		name, before string
		edits        []Edit
		after        string
	}{
		{
			"replace a plain value and keep its comment",
			"version: 0.1\nhttp:\n  addr: :5000   # all interfaces\n  net: tcp\n",
			[]Edit{{Key: "http.addr", Value: "127.0.0.1:5443"}},
			"version: 0.1\nhttp:\n  addr: 127.0.0.1:5443   # all interfaces\n  net: tcp\n",
		},
		{
			"replace a quoted value",
			"version: 0.1\nauth: {htpasswd: {realm: 'it''s # mine', path: \"/a\\\"b\"}}\n",
			[]Edit{{Key: "auth.htpasswd.realm", Value: "x"}, {Key: "auth.htpasswd.path", Value: "/c, d"}},
			"version: 0.1\nauth: {htpasswd: {realm: x, path: '/c, d'}}\n",
		},
		{
			"add sections at the indentation of the file",
			"version: 0.1\nhttp:\n    addr: :5000\n\n# the end\n",
			[]Edit{{Key: "http.tls.certificate", Value: "/c.crt"}, {Key: "http.tls.key", Value: "/c.key"}},
			"version: 0.1\nhttp:\n    addr: :5000\n    tls:\n        certificate: /c.crt\n        key: /c.key\n\n# the end\n",
		},
		{
			"add to an empty section",
			"version: 0.1\nhttp: # none yet\nlog:\n  level: info\n",
			[]Edit{{Key: "http.addr", Value: ":5000"}},
			"version: 0.1\nhttp: # none yet\n  addr: :5000\nlog:\n  level: info\n",
		},
		{
			"a bare driver becomes a section",
			"version: 0.1\nstorage: inmemory # for now\nauth: none\n",
			[]Edit{{Key: "storage.filesystem.rootdirectory", Value: "/data"}, {Key: "auth.htpasswd.realm", Value: "r"}},
			"version: 0.1\nstorage: # for now\n  filesystem:\n    rootdirectory: /data\nauth:\n  htpasswd:\n    realm: r\n",
		},
		{
			"replace a list in block style",
			"version: 0.1\nhttp:\n  tls:\n    clientcas: # who may come\n      # the old one\n      - /a\n      - /b\n    minimumtls: tls1.3\n",
			[]Edit{{Key: "http.tls.clientcas", Value: []string{"/c", "d e"}}},
			"version: 0.1\nhttp:\n  tls:\n    clientcas: [/c, d e] # who may come\n    minimumtls: tls1.3\n",
		},
		{
			"remove a key, and the section it leaves empty",
			"version: 0.1\nhttp:\n  addr: :5000\n  tls:\n    certificate: /a\n    key: /b\n# after\nlog: {level: info, formatter: json}\n",
			[]Edit{{Key: "http.tls.key", Remove: true}, {Key: "http.tls.certificate", Remove: true}, {Key: "log.level", Remove: true}, {Key: "log.fields", Remove: true}},
			"version: 0.1\nhttp:\n  addr: :5000\n# after\nlog: {formatter: json}\n",
		},
		{
			"change the driver",
			"version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: /data\n  delete: {enabled: true}\n",
			[]Edit{{Key: "storage.inmemory"}, {Key: "storage.filesystem", Remove: true}},
			"version: 0.1\nstorage:\n  delete: {enabled: true}\n  inmemory: {}\n",
		},
		{
			"no line break at the end",
			"version: 0.1\nhttp:\n  addr: :5000",
			[]Edit{{Key: "http.draintimeout", Value: 90 * time.Second}, {Key: "log.level", Value: "debug"}},
			"version: 0.1\nhttp:\n  addr: :5000\n  draintimeout: 1m30s\nlog:\n  level: debug\n",
		},
		{
			"windows line ends",
			"version: 0.1\r\nhttp:\r\n  addr: :5000\r\n",
			[]Edit{{Key: "http.insecure", Value: true}},
			"version: 0.1\r\nhttp:\r\n  addr: :5000\r\n  insecure: true\r\n",
		},
		{
			"JSON",
			`{"version": 0.1, "http": {"addr": ":5000"}}` + "\n",
			[]Edit{{Key: "http.addr", Value: ":1"}, {Key: "http.tls.certificate", Value: "/c"}, {Key: "storage.inmemory"}},
			`{"version": 0.1, "http": {"addr": ":1", "tls": {"certificate": "/c"}}, "storage": {"inmemory": {}}}` + "\n",
		},
		{
			"JSON on lines",
			"{\n  \"version\": 0.1,\n  \"auth\": {\n    \"htpasswd\": {\n      \"roles\": {\n        \"admin\": [\n          \"ann\",\n          \"bob\"\n        ]\n      }\n    }\n  }\n}\n",
			[]Edit{
				{Key: "auth.htpasswd.roles.admin", Value: []string{"ann", "cleo"}},
				{Key: "auth.htpasswd.roles.writer", Value: []string{"<ci>"}},
				{Key: "http.insecure", Value: true},
				{Key: "http.draintimeout", Value: time.Minute},
				{Key: "http.secret", Value: Secret("no")},
			},
			"{\n  \"version\": 0.1,\n  \"auth\": {\n    \"htpasswd\": {\n      \"roles\": {\n        \"admin\": [\n          \"ann\",\n          \"cleo\"\n          \n        ], \"writer\": [\"<ci>\"]\n      }\n    }\n  }, \"http\": {\"insecure\": true, \"draintimeout\": \"1m\", \"secret\": \"no\"}\n}\n",
		},
		{
			"comments of a list in block style",
			"version: 0.1\nauth:\n  htpasswd:\n    roles:\n      writer: # who pushes\n        # the builder\n        - ci # since 2024\n        - bob # left\n        # people\n        - ann\n        # - carol\n    realm: r\n",
			[]Edit{{Key: "auth.htpasswd.roles.writer", Value: []string{"ci", "ann", "dave"}}},
			"version: 0.1\nauth:\n  htpasswd:\n    roles:\n      writer: # who pushes\n        # the builder\n        - ci # since 2024\n        # people\n        - ann\n        - dave\n        # - carol\n    realm: r\n",
		},
		{
			"comments of a list in brackets",
			"version: 0.1\nauth:\n  htpasswd:\n    roles:\n      writer: [ # who pushes\n        ci, # the builder\n        bob, # left\n        ann, # the boss\n        eve # gone\n      ] # end\n",
			[]Edit{{Key: "auth.htpasswd.roles.writer", Value: []string{"ci", "ann", "dave"}}},
			"version: 0.1\nauth:\n  htpasswd:\n    roles:\n      writer: [ # who pushes\n        ci, # the builder\n        ann, # the boss\n        dave\n         # gone\n      ] # end\n",
		},
		{
			"items of a list on one line",
			"version: 0.1\nauth: {htpasswd: {roles: {admin: [a, 'b', c], writer: [x, y]}}}\n",
			[]Edit{{Key: "auth.htpasswd.roles.admin", Value: []string{"b", "d, e"}}, {Key: "auth.htpasswd.roles.writer", Value: []string{"x"}}},
			"version: 0.1\nauth: {htpasswd: {roles: {admin: ['b', 'd, e'], writer: [x]}}}\n",
		},
		{
			"a list in another order",
			"version: 0.1\nauth: {htpasswd: {roles: {admin: [a, b]}}}\n",
			[]Edit{{Key: "auth.htpasswd.roles.admin", Value: []string{"b", "a"}}},
			"version: 0.1\nauth: {htpasswd: {roles: {admin: [b, a]}}}\n",
		},
		{
			"a text after a block of text",
			"version: 0.1\nauth:\n  htpasswd:\n    path: /x\n    realm: |-\n      one\n\n      two\n\n# end\n",
			[]Edit{{Key: "auth.htpasswd.roles.writer", Value: []string{"ci"}}},
			"version: 0.1\nauth:\n  htpasswd:\n    path: /x\n    realm: |-\n      one\n\n      two\n    roles:\n      writer: [ci]\n\n# end\n",
		},
		{
			"rules",
			"version: 0.1\nauth:\n  htpasswd: {realm: r, path: /p}\n",
			[]Edit{{Key: "auth.htpasswd.rules", Value: []map[string]any{{"repositories": "team-a/**", "users": []string{"a"}, "role": "writer"}}}},
			"version: 0.1\nauth:\n  htpasswd: {realm: r, path: /p, rules: [{repositories: team-a/**, role: writer, users: [a]}]}\n",
		},
		{
			"a list at the indentation of its key",
			"version: 0.1\nhttp:\n  trustedproxies:\n  - 10.0.0.0/8\n  addr: :5000\n",
			[]Edit{{Key: "http.trustedproxies", Value: []string{}}},
			"version: 0.1\nhttp:\n  trustedproxies: []\n  addr: :5000\n",
		},
		{
			"a list that ends with nothing",
			"version: 0.1\nhttp:\n  trustedproxies:\n    - a\n    -\n\n# end\nlog:\n  level: info\n",
			[]Edit{{Key: "http.addr", Value: ":1"}},
			"version: 0.1\nhttp:\n  trustedproxies:\n    - a\n    -\n  addr: :1\n\n# end\nlog:\n  level: info\n",
		},
		{
			"remove a list that ends with nothing",
			"version: 0.1\nhttp:\n  addr: :1\n  trustedproxies:\n    - a\n    -\n\n# end\n",
			[]Edit{{Key: "http.trustedproxies", Remove: true}},
			"version: 0.1\nhttp:\n  addr: :1\n\n# end\n",
		},
		{
			"an empty file", "# nothing yet\n",
			[]Edit{{Key: "version", Value: 0.1}},
			"# nothing yet\nversion: 0.1\n",
		},
		{
			"values that look like something else",
			"version: 0.1\nstorage: {s3: {}}\nhttp:\n",
			[]Edit{{Key: "storage.s3.secretkey", Value: Secret("0123456")}, {Key: "http.secret", Value: Secret("no")}},
			"version: 0.1\nstorage: {s3: {secretkey: \"0123456\"}}\nhttp:\n  secret: \"no\"\n",
		},
		{
			"nothing to change",
			"version: 0.1\nhttp: {addr:   ':5000'}\n",
			[]Edit{{Key: "http.addr", Value: ":5000"}, {Key: "http.tls", Remove: true}},
			"version: 0.1\nhttp: {addr:   ':5000'}\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Apply([]byte(tt.before), tt.edits)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.after {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.after)
			}
		})
	}
}

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
	for seed := range uint64(1500) {
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
		v, err := toNode(randomText(r))
		if err != nil {
			panic(err)
		}
		if r.IntN(3) == 0 {
			return fmt.Sprintf("'%s'", strings.ReplaceAll(v.Value, "'", "''"))
		}
		s, err := write(v, flow)
		if err != nil {
			panic(err)
		}
		return s
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
