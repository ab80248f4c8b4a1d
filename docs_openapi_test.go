package packhouse_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"gopkg.in/yaml.v3"

	"packhouse/packs"
	"packhouse/server"
	"packhouse/server/auth/htpasswd"
	"packhouse/server/config"
)

// openAPI is what this test reads of docs/openapi.yaml.
type openAPI struct {
	Paths      map[string]map[string]yaml.Node
	Components struct {
		Responses map[string]described
		Schemas   map[string]*schema
	}
}

type described struct {
	Ref     string `yaml:"$ref"`
	Content map[string]struct{ Schema *schema }
}

type schema struct {
	Ref        string `yaml:"$ref"`
	Type       any
	Required   []string
	Properties map[string]*schema
	Items      *schema
}

// answers returns what the document says of an operation's answers, by status.
func (d *openAPI) answers(t *testing.T, method, path string) map[string]described {
	t.Helper()
	node, ok := d.Paths[path][strings.ToLower(method)]
	if !ok {
		t.Fatalf("docs/openapi.yaml has no %s %s", method, path)
	}
	var operation struct{ Responses map[string]described }
	if err := node.Decode(&operation); err != nil {
		t.Fatal(err)
	}
	for status, answer := range operation.Responses {
		if answer.Ref != "" {
			operation.Responses[status] = d.Components.Responses[filepath.Base(answer.Ref)]
		}
	}
	return operation.Responses
}

// mismatch holds a value against its schema, and returns what does not fit. A schema that says nothing of properties lets everything pass.
func (d *openAPI) mismatch(at string, s *schema, value any) string {
	if s != nil && s.Ref != "" {
		s = d.Components.Schemas[filepath.Base(s.Ref)]
	}
	if s == nil {
		return at + " has no schema"
	}
	switch value := value.(type) {
	case map[string]any:
		for _, key := range s.Required {
			if _, ok := value[key]; !ok {
				return at + " lacks " + key
			}
		}
		for key, inner := range value {
			if s.Properties == nil {
				break
			}
			property, ok := s.Properties[key]
			if !ok {
				return at + " has " + key + ", which is not described"
			}
			if complaint := d.mismatch(at+"."+key, property, inner); complaint != "" {
				return complaint
			}
		}
	case []any:
		for i, inner := range value {
			if s.Items == nil {
				break
			}
			if complaint := d.mismatch(fmt.Sprintf("%s[%d]", at, i), s.Items, inner); complaint != "" {
				return complaint
			}
		}
	}
	return ""
}

// openRegistry is a registry in memory, whose admin is admin, whose writer is ci and whose reader is spectro. Their passwords are their names.
func openRegistry(t *testing.T, more string) http.Handler {
	t.Helper()
	dir := t.TempDir()
	var users bytes.Buffer
	for _, name := range []string{"admin", "ci", "spectro"} {
		hash, err := htpasswd.HashCost([]byte(name), htpasswd.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&users, "%s:%s\n", name, hash)
	}
	path := filepath.Join(dir, "users")
	if err := os.WriteFile(path, users.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("version: 0.1\nlog: {level: error}\nhttp: {addr: '127.0.0.1:0'}\nauth: {htpasswd: {realm: r, path: %q, roles: {admin: [admin], writer: [ci]}}}\n%s", path, more)
	loaded, err := config.Load(config.Source{Path: filepath.Join(dir, "myconfig.yml"), Data: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(t.Context(), server.Options{Config: &loaded.Config, LogTo: io.Discard, AdminSocket: "-"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// packed is an archive of the pack nginx.
func packed(t *testing.T, version, values string) []byte {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, fstest.MapFS{
		"pack.json":   {Data: fmt.Appendf(nil, `{"name":"nginx","displayName":"Nginx","version":%q,"layer":"addon"}`, version)},
		"values.yaml": {Data: []byte(values)},
	}); err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if _, err := packs.Archive(t.Context(), &archive, dir, nil); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

// TestServerAnswersAsDescribed asks a real server for every answer that docs/openapi.yaml describes, and holds status and body against it.
func TestServerAnswersAsDescribed(t *testing.T) {
	text, err := os.ReadFile("docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var document openAPI
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	registry := openRegistry(t, "storage: {inmemory: {}, delete: {enabled: true}}\n")
	keeping := openRegistry(t, "storage: {inmemory: {}, delete: {enabled: false}}\n")
	first, second := packed(t, "1.24.3", "replicas: 1\n"), packed(t, "1.24.3", "replicas: 2\n")
	const (
		tags, version, file  = "/v1/{pack}/tags/list", "/v1/{pack}/manifests/{reference}", "/v1/{pack}/blobs/{file}"
		archive, tag, nobody = "/v1/{pack}/archives/{reference}", "/v1/{pack}/tags/{tag}", ""
		noFile               = "/v1/nginx/blobs/sha256:0000000000000000000000000000000000000000000000000000000000000000"
		ofFile               = "/v1/nginx/blobs/FILE"
	)
	// One after the other: what is pushed is there for those below.
	steps := []struct {
		method, path, url, user string
		body                    []byte
		status                  int
	}{
		{"GET", "/health", "/health", nobody, nil, 200},
		{"GET", "/v1/", "/v1/", nobody, nil, 401},
		{"GET", "/v1/", "/v1/", "spectro", nil, 200},
		{"PUT", archive, "/v1/nginx/archives/1.24.3", nobody, first, 401},
		{"PUT", archive, "/v1/nginx/archives/1.24.3", "spectro", first, 403},
		{"PUT", archive, "/v1/nginx/archives/1.24.3?force=perhaps", "ci", first, 400},
		{"PUT", archive, "/v1/nginx/archives/1.24.4", "ci", first, 422},
		{"PUT", archive, "/v1/nginx/archives/1.24.3", "ci", first, 201},
		{"PUT", archive, "/v1/nginx/archives/1.24.3", "ci", first, 200},
		{"PUT", archive, "/v1/nginx/archives/1.24.3", "admin", second, 409},
		{"PUT", archive, "/v1/nginx/archives/1.24.3?force=true&message=why", "admin", second, 201},
		{"GET", "/v1/_catalog", "/v1/_catalog", nobody, nil, 401},
		{"GET", "/v1/_catalog", "/v1/_catalog?n=few", "spectro", nil, 400},
		{"GET", "/v1/_catalog", "/v1/_catalog", "spectro", nil, 200},
		{"GET", tags, "/v1/nginx/tags/list", nobody, nil, 401},
		{"GET", tags, "/v1/nginx/tags/list?n=few", "spectro", nil, 400},
		{"GET", tags, "/v1/apache/tags/list", "spectro", nil, 404},
		{"GET", tags, "/v1/nginx/tags/list", "spectro", nil, 200},
		{"GET", version, "/v1/nginx/manifests/1.24.x", nobody, nil, 401},
		{"GET", version, "/v1/nginx/manifests/1.24.x?base=..", "spectro", nil, 400},
		{"GET", version, "/v1/nginx/manifests/9", "spectro", nil, 404},
		{"GET", version, "/v1/nginx/manifests/1.24.x", "spectro", nil, 200},
		{"GET", file, noFile, nobody, nil, 401},
		{"GET", file, noFile + "?type=text/html", "spectro", nil, 400},
		{"GET", file, noFile, "spectro", nil, 404},
		{"GET", file, ofFile, "spectro", nil, 200},
		{"GET", archive, "/v1/nginx/archives/1.24.x", nobody, nil, 401},
		{"GET", archive, "/v1/nginx/archives/1.24.x?base=..", "spectro", nil, 400},
		{"GET", archive, "/v1/nginx/archives/9", "spectro", nil, 404},
		{"GET", archive, "/v1/nginx/archives/1.24.x", "spectro", nil, 200},
		{"GET", archive, "/v1/nginx/archives/1.24.x#bytes=0-3", "spectro", nil, 206},
		{"GET", archive, "/v1/nginx/archives/1.24.x#bytes=9999999-", "spectro", nil, 416},
		{"PUT", tag, "/v1/nginx/tags/stable", nobody, []byte(`{"target":"1.24.x"}`), 401},
		{"PUT", tag, "/v1/nginx/tags/stable", "spectro", []byte(`{"target":"1.24.x"}`), 403},
		{"PUT", tag, "/v1/nginx/tags/stable", "ci", []byte(`{}`), 400},
		{"PUT", tag, "/v1/nginx/tags/stable", "ci", []byte(`{"target":"9"}`), 404},
		{"PUT", tag, "/v1/nginx/tags/1.24.x", "ci", []byte(`{"target":"1.24.3"}`), 409},
		{"PUT", tag, "/v1/nginx/tags/stable", "ci", []byte(`{"target":"1.24.x"}`), 201},
		{"DELETE", tag, "/v1/nginx/tags/stable", nobody, nil, 401},
		{"DELETE", tag, "/v1/nginx/tags/stable", "ci", nil, 403},
		{"DELETE", tag, "/v1/nginx/tags/stable?base=..", "admin", nil, 400},
		{"DELETE", tag, "/v1/nginx/tags/none", "admin", nil, 404},
		{"DELETE", tag, "/v1/nginx/tags/1.24.x", "admin", nil, 409},
		{"DELETE", tag, "/v1/nginx/tags/stable", "admin", nil, 405}, // of the registry that deletes nothing
		{"DELETE", tag, "/v1/nginx/tags/stable", "admin", nil, 204},
	}
	seen := map[string]bool{}
	digest := "" // of a file of the version that is there
	for _, step := range steps {
		url, ranges, _ := strings.Cut(strings.Replace(step.url, "FILE", digest, 1), "#")
		request := httptest.NewRequest(step.method, url, bytes.NewReader(step.body))
		if step.user != nobody {
			request.SetBasicAuth(step.user, step.user)
		}
		if ranges != "" {
			request.Header.Set("Range", ranges)
		}
		asked := registry
		if step.status == http.StatusMethodNotAllowed {
			asked = keeping
		}
		answer := httptest.NewRecorder()
		asked.ServeHTTP(answer, request)
		name := fmt.Sprintf("%s %s %d", step.method, step.path, step.status)
		seen[name] = true
		if answer.Code != step.status {
			t.Errorf("%s %s by %q: %d, want %d: %s", step.method, step.url, step.user, answer.Code, step.status, answer.Body)
			continue
		}
		words, ok := document.answers(t, step.method, step.path)[fmt.Sprint(step.status)]
		if !ok {
			t.Errorf("%s is not described", name)
		}
		form, ok := words.Content["application/json"]
		if !ok {
			continue
		}
		var body any
		if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if complaint := document.mismatch(name, form.Schema, body); complaint != "" {
			t.Error(complaint)
		}
		if pack, ok := body.(map[string]any); ok && step.path == version && step.status == http.StatusOK {
			digest, _ = pack["files"].([]any)[0].(map[string]any)["digest"].(string)
		}
	}
	// A test would have to break the storage first.
	beyond := []string{"503", "507", "default"}
	for path, methods := range document.Paths {
		for _, method := range slices.Sorted(maps.Keys(methods)) {
			if method == "parameters" {
				continue
			}
			for status := range document.answers(t, method, path) {
				name := fmt.Sprintf("%s %s %s", strings.ToUpper(method), path, status)
				if !seen[name] && !slices.Contains(beyond, status) {
					t.Errorf("%s is described, and nothing here makes it happen", name)
				}
			}
		}
	}
}
