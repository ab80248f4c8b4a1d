package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/Masterminds/sprig/v3"
	yamlv3 "gopkg.in/yaml.v3"
	"sigs.k8s.io/yaml"
)

// functions returns the functions of helm's templates, apart from those that need the templates:
// sprig's without the environment, DNS and key generation, and helm's own.
func (e *engine) functions() template.FuncMap {
	f := sprig.TxtFuncMap()
	delete(f, "env")
	delete(f, "expandenv")
	f["getHostByName"] = func(string) string { return "" }
	f["lookup"] = func(string, string, string, string) map[string]any { return map[string]any{} }
	f["toYaml"] = func(v any) string { text, _ := toYAML(v); return text }
	f["mustToYaml"] = toYAML
	f["toYamlPretty"] = toYAMLPretty
	f["fromYaml"] = func(text string) map[string]any { return parsed(text, yamlUnmarshal) }
	f["fromYamlArray"] = func(text string) []any { return parsedList(text, yamlUnmarshal) }
	f["toJson"] = func(v any) string { text, _ := toJSON(v); return text }
	f["mustToJson"] = toJSON
	f["fromJson"] = func(text string) map[string]any { return parsed(text, json.Unmarshal) }
	f["fromJsonArray"] = func(text string) []any { return parsedList(text, json.Unmarshal) }
	f["toToml"] = func(v any) string {
		text, err := toTOML(v)
		if err != nil {
			return err.Error()
		}
		return text
	}
	f["mustToToml"] = toTOML
	f["fromToml"] = func(text string) map[string]any { return parsed(text, toml.Unmarshal) }
	addDurations(f)
	withoutKeys(f)
	return f
}

func yamlUnmarshal(text []byte, v any) error { return yaml.Unmarshal(text, v) }

func toYAML(v any) (string, error) {
	text, err := yaml.Marshal(v)
	return strings.TrimSuffix(string(text), "\n"), err
}

func toYAMLPretty(v any) string {
	var b bytes.Buffer
	encoder := yamlv3.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(v); err != nil {
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func toJSON(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}

func toTOML(v any) (string, error) {
	var b bytes.Buffer
	err := toml.NewEncoder(&b).Encode(v)
	return b.String(), err
}

// parsed returns a table; one that cannot be parsed has its error below "Error", as in helm.
func parsed(text string, unmarshal func([]byte, any) error) map[string]any {
	table := map[string]any{}
	if err := unmarshal([]byte(text), &table); err != nil {
		table = map[string]any{"Error": err.Error()}
	}
	return table
}

// parsedList returns a list; one that cannot be parsed is its error, as in helm.
func parsedList(text string, unmarshal func([]byte, any) error) []any {
	list := []any{}
	if err := unmarshal([]byte(text), &list); err != nil {
		return []any{err.Error()}
	}
	return list
}

// addDurations adds helm's functions for durations. A number is a number of seconds.
func addDurations(f template.FuncMap) {
	duration := func(v any) time.Duration {
		if d, err := time.ParseDuration(fmt.Sprint(v)); err == nil {
			return d
		}
		d, _ := time.ParseDuration(fmt.Sprint(v) + "s")
		return d
	}
	f["mustToDuration"] = func(v any) (time.Duration, error) {
		if d, err := time.ParseDuration(fmt.Sprint(v)); err == nil {
			return d, nil
		}
		return time.ParseDuration(fmt.Sprint(v) + "s")
	}
	f["durationSeconds"] = func(v any) float64 { return duration(v).Seconds() }
	f["durationMilliseconds"] = func(v any) int64 { return duration(v).Milliseconds() }
	f["durationMicroseconds"] = func(v any) int64 { return duration(v).Microseconds() }
	f["durationNanoseconds"] = func(v any) int64 { return duration(v).Nanoseconds() }
	f["durationMinutes"] = func(v any) float64 { return duration(v).Minutes() }
	f["durationHours"] = func(v any) float64 { return duration(v).Hours() }
	f["durationDays"] = func(v any) float64 { return duration(v).Hours() / 24 }
	f["durationWeeks"] = func(v any) float64 { return duration(v).Hours() / 24 / 7 }
	f["durationRoundTo"] = func(v, to any) time.Duration { return duration(v).Round(duration(to)) }
	f["durationTruncateTo"] = func(v, to any) time.Duration { return duration(v).Truncate(duration(to)) }
}

// keyPair is what sprig's certificate functions return.
type keyPair struct{ Cert, Key string }

// withoutKeys replaces the functions that create keys and password hashes, which cost seconds: what
// is rendered is read for images and discarded.
func withoutKeys(f template.FuncMap) {
	pair := func(...any) keyPair { return keyPair{"certificate", "key"} }
	for _, name := range []string{
		"genCA", "genCAWithKey", "genSelfSignedCert", "genSelfSignedCertWithKey",
		"genSignedCert", "genSignedCertWithKey", "buildCustomCert",
	} {
		f[name] = pair
	}
	for _, name := range []string{"genPrivateKey", "derivePassword", "bcrypt", "htpasswd"} {
		f[name] = func(...any) string { return name }
	}
}
