package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

const whole = `version: 0.1
log: {level: debug, formatter: json, fields: {service: registry}, audit: {path: "-"}}
storage:
  filesystem: {rootdirectory: /srv}
  delete: {enabled: false}
  maintenance:
    gc: {untagged: 24h}
http:
  addr: 127.0.0.1:5443
  headers: {X-Frame-Options: []}
  tls: {certificate: /c, key: /k, clientcas: [/a], minimumtls: tls1.3}
  trustedproxies: [10.0.0.0/8]
auth:
  htpasswd:
    realm: 'a # b'
    path: /p
    rules: [{repositories: team-a/**, users: [x], role: writer}]
    clientnames: {edge: ci}
packs: {base: team}
health: {storagedriver: {interval: 90s}}
`

func mustLoad(t testing.TB, src Source) *Loaded {
	t.Helper()
	loaded, err := Load(src)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// TestDefaults compares the defaults with what config.go says of them.
func TestDefaults(t *testing.T) {
	c := mustLoad(t, Source{Path: "x", Data: []byte("version: 0.1\nstorage: inmemory\nhttp: {addr: 'localhost:5000'}\n")}).Config
	want := Config{
		Version: "0.1",
		Log:     Log{Level: "info", Formatter: "text"},
		Storage: Storage{
			Driver:     InMemory,
			Filesystem: FilesystemStorage{RootDirectory: "/data/.spectro-server"},
			S3:         S3Storage{Secure: true, ChunkSize: 10 << 20, MaxRetries: 5, UploadMemory: 64 << 20},
			Delete:     Delete{Enabled: true},
			Redirect:   Redirect{Disable: true},
			Maintenance: Maintenance{
				UploadPurging: UploadPurging{Enabled: true, Age: 168 * time.Hour, Interval: 24 * time.Hour},
				GC:            GC{Interval: 24 * time.Hour, Window: 2 * time.Hour},
				Scrub:         Scrub{Interval: 168 * time.Hour, Rate: 20 << 20},
			},
		},
		HTTP: HTTP{
			Addr: "localhost:5000", Net: "tcp", Prefix: "/", RelativeURLs: true, DrainTimeout: 30 * time.Second, Headers: safeHeaders,
			Limits: Limits{
				Connections: 10000, Requests: 1200, HeaderBytes: 16 << 10,
				StallTimeout: time.Minute, BodyStallTimeout: 5 * time.Minute, BodyRate: 128,
			},
			TLS:   TLS{MinimumTLS: "tls1.2"},
			Debug: Debug{PrometheusPath: "/metrics"},
		},
		Auth: Auth{Method: AuthNone, Htpasswd: Htpasswd{
			Roles:   Roles{Admin: []string{"admin"}},
			Lockout: Lockout{Attempts: 10, Window: 5 * time.Minute, Delay: time.Second, MaxDelay: time.Second},
		}},
		Packs:  Packs{Overwrite: "force"},
		Health: Health{StorageDriver: StorageHealth{Enabled: true, Interval: 10 * time.Second, Threshold: 3}},

		Validation: Validation{Sparse: "refuse"},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

// TestEveryKeyIsBound makes sure that no key of the table is accepted and then lost.
func TestEveryKeyIsBound(t *testing.T) {
	walk(root, "", func(path string, k *key) {
		if k.about == "" || !strings.HasSuffix(k.about, ".") {
			t.Errorf("%s: no sentence about it", path)
		}
		if k.name != strings.ToLower(k.name) || strings.ContainsAny(k.name, "_-.") {
			t.Errorf("%s: the name does not fit into a variable", path)
		}
		if (k.status == noted || k.status == refused) == (k.word == "") {
			t.Errorf("%s: status and word do not fit", path)
		}
		leaf := k.kind != section && k.kind != entries && k.kind != anything
		settled := path == "storage.s3.host" || path == "storage.s3.port"
		if leaf && k.status == honoured && k.bind == nil && !settled {
			t.Errorf("%s: honoured and bound to nothing", path)
		}
		if k.def != "" && leaf && k.kind != list {
			if _, what, _ := parse(k, &value{form: scalar, text: k.def}); what != "" {
				t.Errorf("%s: the default %s", path, what)
			}
		}
		if steps, found := resolve(root, strings.Split(strings.TrimPrefix(VariableName(path), prefix), "_")); found == nil {
			t.Errorf("%s: its variable %s leads nowhere", path, VariableName(path))
		} else if len(steps) == 0 && found.kind != anything {
			t.Errorf("%s: its variable leads to %v", path, steps)
		}
	})
}

// TestShowLoads feeds what Show prints back: it is the same configuration.
func TestShowLoads(t *testing.T) {
	loaded := mustLoad(t, Source{Path: "x", Data: []byte(whole)})
	var shown bytes.Buffer
	if err := loaded.Show(&shown); err != nil {
		t.Fatal(err)
	}
	again, err := Load(Source{Path: "shown", Data: shown.Bytes()})
	if err != nil {
		t.Fatalf("%v\n%s", err, shown.String())
	}
	loaded.Config.HTTP.Headers["X-Frame-Options"] = again.Config.HTTP.Headers["X-Frame-Options"] // removed once, it does not show
	if !reflect.DeepEqual(again.Config, loaded.Config) {
		t.Errorf("got  %+v\nwant %+v\n%s", again.Config, loaded.Config, shown.String())
	}
}

func TestShowOrigins(t *testing.T) {
	loaded := mustLoad(t, Source{Path: "my.yml", Data: []byte(whole), Env: []string{"REGISTRY_LOG_LEVEL=warn"}})
	var out bytes.Buffer
	if err := loaded.ShowJSON(&out); err != nil {
		t.Fatal(err)
	}
	var shown struct {
		File   string
		Values []struct {
			Key    string
			Value  any
			Origin Origin
		}
	}
	if err := json.Unmarshal(out.Bytes(), &shown); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{"file": shown.File}
	for _, v := range shown.Values {
		got[v.Key] = fmt.Sprintf("%v from %s", v.Value, v.Origin)
	}
	for key, want := range map[string]string{
		"file":                                "my.yml",
		"log.level":                           "warn from REGISTRY_LOG_LEVEL",
		"log.fields.service":                  "registry from my.yml:2",
		"http.draintimeout":                   "30s from default",
		"http.headers.X-Content-Type-Options": "[nosniff] from default",
		"storage.maintenance.gc.untagged":     "24h from my.yml:7",
	} {
		if got[key] != want {
			t.Errorf("%s = %q, want %q", key, got[key], want)
		}
	}
}

// TestSecretsStayHidden puts a secret wherever one can stand and looks for it in everything that comes out.
func TestSecretsStayHidden(t *testing.T) {
	const canary = "canary-7d1f"
	for _, status := range []status{refused, honoured} {
		restore := setStatus(status)
		for _, src := range []Source{
			{Path: "x", Data: []byte("version: 0.1\nstorage: {s3: {bucket: b, region: r, secretkey: " + canary + ", sessiontoken: " + canary + "}}\nhttp: {addr: 'localhost:1', secret: " + canary + "}\n")},
			{Path: "x", Data: []byte("version: 0.1\nstorage: {s3: {bucket: b, secretkey: [" + canary + "]}}\n")},
			{Path: "x", Data: []byte("version: 0.1\nstorage: {s3: {bucket: b, secretkey: {" + canary + ": }}}\n")},
			{Path: "x", Data: []byte("version: 0.1\nstorage: {s3: {bucket: b, secretkey: *" + canary + "}}\n")},
			{Path: "x", Data: []byte("version: 0.1\nstorage: inmemory\nhttp:\n  secret: \"" + canary + "\n")},
			{Path: "x", Data: []byte("version: 0.1\nstorage: inmemory\nhttp:\n  secret " + canary + "\n  addr: :1\n")},
			{Path: "x", Data: []byte("version: 0.1\nstorage: inmemory\nhttp: {addr: 'localhost:1'}\nnotifications: {endpoints: [{name: a, url: 'https://u:" + canary + "@h/?t=" + canary + "', headers: {Authorization: [" + canary + "]}}]}\n")},
			{Path: "x", Data: []byte("version: 0.1\nstorage: inmemory\nhttp: {addr: 'localhost:1'}\nredis: {password: " + canary + "}\nproxy: {password: " + canary + "}\n")},
			{Env: []string{"REGISTRY_HTTP_SECRET=" + canary, "REGISTRY_STORAGE_S3_SECRETKEY=" + canary, "REGISTRY_NOPE=" + canary, "REGSITRY_HTTP_SECRET=" + canary, "REGISTRY_REDIS_PASSWORD=" + canary}},
			{Env: []string{"REGISTRY_HTTP_SECRET=" + canary + "\n" + canary}},
			{Env: []string{"REGISTRY_HTTP_SECRET=" + canary, "REGISTRY_REDIS={password: " + canary + "}"}},
		} {
			loaded, err := Load(src)
			var out bytes.Buffer
			if err != nil {
				var problems Findings
				errors.As(err, &problems)
				fmt.Fprintf(&out, "%v\n%+v\n", err, problems)
			} else {
				if err := errors.Join(loaded.Show(&out), loaded.ShowJSON(&out)); err != nil {
					t.Error(err)
				}
				fmt.Fprintf(&out, "%v %#v\n", loaded.Notices, loaded.Config.Storage.S3.SecretKey)
			}
			if strings.Contains(out.String(), canary) {
				t.Errorf("status %d, %s %v: a secret in\n%s", status, src.Data, src.Env, out.String())
			}
		}
		restore()
	}
}

// setStatus changes what becomes of the sections that hold secrets, as when their features land.
func setStatus(s status) func() {
	keys := []*key{s3Keys, notificationKeys, lookup("proxy")}
	before := make([]status, len(keys))
	for i, k := range keys {
		before[i], k.status = k.status, s
	}
	return func() {
		for i, k := range keys {
			k.status = before[i]
		}
	}
}

func TestLimits(t *testing.T) {
	for name, data := range map[string]string{
		"config-limit":  "version: 0.1\n# " + strings.Repeat("x", MaxFile),
		"config-syntax": "version: 0.1\nstorage: \xff\xfe\n",
	} {
		_, err := Load(Source{Path: "x", Data: []byte(data)})
		var problems Findings
		if !errors.As(err, &problems) || problems[0].Code != name {
			t.Errorf("got %v, want %s", err, name)
		}
	}
}

func TestLoadReadsTheFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/my.yml", []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := mustLoad(t, Source{Path: dir + "/my.yml"}).Config.Packs.Base; got != "team" {
		t.Errorf("packs.base = %q", got)
	}
	for path, want := range map[string]string{
		dir + "/gone.yml": dir + "/gone.yml: not found; correct the path, or run packhouse setup to create the file",
		dir:               dir + ": is a directory; name the file inside it; if a container engine made the directory because it was to mount a file that does not exist, move it away with mv " + dir + " " + dir + ".away and create the file",
	} {
		if _, err := Load(Source{Path: path}); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if err := os.WriteFile(dir+"/empty.yml", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(Source{Path: dir + "/empty.yml"}); err == nil { // and not the built-in default
		t.Error("an empty file was accepted")
	}
}

func TestSchemaJSON(t *testing.T) {
	var s struct {
		Properties map[string]any
		Required   []string
	}
	if err := json.Unmarshal(SchemaJSON(), &s); err != nil {
		t.Fatal(err)
	}
	for _, k := range root.keys {
		if s.Properties[k.name] == nil {
			t.Errorf("%s is not in the schema", k.name)
		}
	}
	reference := string(referenceMarkdown())
	walk(root, "", func(path string, k *key) {
		if k.kind != section && !strings.Contains(reference, "`"+path+"`") {
			t.Errorf("%s is not in the reference", path)
		}
	})
}

// FuzzLoad feeds files and variables. Nothing may panic, every refusal names something to do, and what is accepted can be shown and loaded
// again.
func FuzzLoad(f *testing.F) {
	for _, file := range []string{"testdata/broken.txt", "testdata/accepted.txt"} {
		for _, g := range readGolden(f, file) {
			f.Add(g.data, strings.Join(g.env, "\n"))
		}
	}
	f.Add(whole, "REGISTRY_STORAGE=s3")
	f.Fuzz(func(t *testing.T, data, env string) {
		src := Source{Path: "x", Data: []byte(data), Env: strings.Split(env, "\n"), ReadFile: secretFiles}
		loaded, err := Load(src)
		Glimpse(src)
		if err != nil {
			var problems Findings
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("%T: %v", err, err)
			}
			for _, p := range problems {
				if p.What == "" || p.Remedy == "" || p.Code == "" || strings.ContainsAny(p.String(), "\n\r\x1b") {
					t.Errorf("%+v", p)
				}
			}
			return
		}
		var shown bytes.Buffer
		if err := loaded.Show(&shown); err != nil {
			t.Fatal(err)
		}
		again, err := Load(Source{Path: "x", Data: shown.Bytes()})
		if err != nil {
			t.Fatalf("what Show prints does not load: %v\n%s", err, shown.String())
		}
		a, b := again.Config.Storage, loaded.Config.Storage
		a.S3.SecretKey, a.S3.SessionToken = b.S3.SecretKey, b.S3.SessionToken // shown masked
		if !reflect.DeepEqual(a, b) {
			t.Errorf("got %+v\nwant %+v", a, b)
		}
	})
}

// FuzzApply edits arbitrary files: it refuses, or the result means what was asked for.
func FuzzApply(f *testing.F) {
	for _, g := range readGolden(f, "testdata/accepted.txt") {
		f.Add(g.data, "http.addr", ":1", false)
		f.Add(g.data, "http.tls.certificate", "/c", true)
	}
	f.Fuzz(func(t *testing.T, data, key, text string, remove bool) {
		out, err := Apply([]byte(data), []Edit{{Key: key, Value: text, Remove: remove}})
		if err != nil {
			return
		}
		var all map[string]any
		if err := yaml.Unmarshal(out, &all); err != nil {
			t.Skip() // a duplicate below a merge, say: Load refuses it
		}
		var at any = all
		for name := range strings.SplitSeq(key, ".") {
			m, _ := at.(map[string]any)
			at = m[name]
		}
		if remove && at != nil {
			t.Errorf("%s is still there: %v", key, at)
		}
		if !remove && fmt.Sprint(at) != text {
			t.Errorf("%s = %v, want %q", key, at, text)
		}
	})
}

// TestHostileFiles reads what is made to take long. It does not measure: without the bounds it would take minutes.
func TestHostileFiles(t *testing.T) {
	var unknown, misindented strings.Builder
	for i := range 4_000 {
		fmt.Fprintf(&unknown, "%s%05d: 1\n", strings.Repeat("k", 40), i)
	}
	for range 5_000 {
		misindented.WriteString("k: 1\n")
	}
	misindented.WriteString(" x: 1\n")
	for name, data := range map[string]string{
		"unknown": unknown.String(), "misindented": misindented.String(), "brackets": strings.Repeat("[", 9000), "braces": strings.Repeat("{a: ", 9000),
		"questions": strings.Repeat("? ", 9000), "dashes": strings.Repeat("- ", 9000), "stars": strings.Repeat("*a ", 9000),
	} {
		if _, err := Load(Source{Path: "x", Data: []byte(data)}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
