package packview

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"packhouse/finding"
	"packhouse/packs"
	"packhouse/server/route"
)

// description is what this test reads of docs/openapi.yaml.
type description struct {
	Paths      map[string]map[string]yaml.Node
	Components struct {
		Schemas map[string]struct{ Properties map[string]yaml.Node }
	}
}

func describedAPI(t *testing.T) description {
	t.Helper()
	text, err := os.ReadFile("../../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var d description
	if err := yaml.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestRoutesAreDescribed holds docs/openapi.yaml against the parser of paths: each path has just the methods that are described, each does
// what its operationId says, and nothing that is served is missing.
func TestRoutesAreDescribed(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	fill := strings.NewReplacer("{pack}", "nginx", "{reference}", "1.0", "{file}", digest, "{tag}", "stable")
	described := map[string]bool{}
	for path, methods := range describedAPI(t).Paths {
		for _, method := range []string{"GET", "PUT", "DELETE", "POST", "PATCH"} {
			r := httptest.NewRequest(method, fill.Replace(path), http.NoBody)
			req, err := route.Paths{}.Parse(r)
			node, ok := methods[strings.ToLower(method)]
			if !ok {
				if err == nil && path != "/v1/{pack}/tags/list" { // where it is a tag called list
					t.Errorf("%s %s is served and not described", method, path)
				}
				continue
			}
			var operation struct {
				OperationID string `yaml:"operationId"`
				Responses   map[string]yaml.Node
			}
			if err := node.Decode(&operation); err != nil {
				t.Fatal(err)
			}
			described[operation.OperationID] = true
			if err != nil || string(req.Action) != operation.OperationID || len(operation.Responses) == 0 {
				t.Errorf("%s %s is %q: %v; described is %q", method, path, req.Action, err, operation.OperationID)
			}
		}
	}
	for _, action := range packActions(t) {
		if !described[action] && action != string(route.PackLogo) {
			t.Errorf("docs/openapi.yaml does not describe %s", action)
		}
	}
}

// packActions reads the actions of the pack view out of the source of package route.
func packActions(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../route/route.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	ast.Inspect(file, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if text, _ := strconv.Unquote(literal.Value); strings.HasPrefix(text, "pack.") {
				actions = append(actions, text)
			}
		}
		return true
	})
	if len(actions) < 8 {
		t.Fatalf("found %q", actions)
	}
	return actions
}

// TestAnswersAreDescribed compares the schemas with the structs that are written.
func TestAnswersAreDescribed(t *testing.T) {
	schemas := describedAPI(t).Components.Schemas
	for name, value := range map[string]any{"Version": Version{}, "Pack": packAnswer{}, "Pushed": pushed{}} {
		properties := schemas[name].Properties
		want := slices.Sorted(slices.Values(keysOf(reflect.TypeOf(value))))
		if got := slices.Sorted(maps.Keys(properties)); !slices.Equal(got, want) {
			t.Errorf("%s: described are %q, written are %q", name, got, want)
		}
	}
	text, err := json.Marshal(packs.Findings{{
		What: "w", Remedy: "r", Subject: finding.Subject{File: "f", Line: 1, Column: 1},
	}})
	var written []map[string]any
	if err := errors.Join(err, json.Unmarshal(text, &written)); err != nil {
		t.Fatal(err)
	}
	got, want := slices.Sorted(maps.Keys(schemas["Problem"].Properties)), slices.Sorted(maps.Keys(written[0]))
	if !slices.Equal(got, want) {
		t.Errorf("Problem: described are %q, written are %q", got, want)
	}
}

// keysOf lists the JSON keys of a struct.
func keysOf(kind reflect.Type) []string {
	var keys []string
	for field := range kind.Fields() {
		key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous:
			keys = append(keys, keysOf(field.Type.Elem())...)
		case key != "" && key != "-":
			keys = append(keys, key)
		}
	}
	return keys
}
