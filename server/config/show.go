package config

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"packhouse/server/config/yamledit"
)

// row is one effective value.
type row struct {
	path   []string
	value  any // string, bool, int64, []string, or []any of maps; secrets are already masked
	origin Origin
	secret bool // value contains a masked secret
}

// masked replaces secrets.
const masked = "REDACTED"

// rows returns the effective values in schema order, without empty values and unselected drivers
// and methods.
func (l *Loaded) rows() []row {
	var rows []row
	l.section(root, nil, &l.Config, &rows)
	return rows
}

func (l *Loaded) section(k *key, path []string, target any, rows *[]row) {
	for _, c := range k.keys {
		p := append(slices.Clone(path), c.name)
		full := strings.Join(p, ".")
		switch {
		case c.status == refused || c.option && !l.chosen(full):
		case c.option && len(c.keys) == 0:
			*rows = append(*rows, row{path: p, value: map[string]any{}, origin: l.Origins[full]})
		case c.kind == section:
			l.section(c, p, target, rows)
		case c.kind == entries:
			l.entries(c, p, target, rows)
		case c.bind != nil:
			l.value(c, p, target, rows)
		}
	}
}

func (l *Loaded) chosen(path string) bool {
	return path == "storage."+l.Config.Storage.Driver || path == "auth."+l.Config.Auth.Method
}

func (l *Loaded) value(k *key, path []string, target any, rows *[]row) {
	full := strings.Join(path, ".")
	add := func(path []string, v any, secret bool) {
		o, known := l.Origins[strings.Join(path, ".")]
		if !known {
			o = Origin{Kind: FromDefault}
		}
		*rows = append(*rows, row{path: path, value: v, origin: o, secret: secret})
	}
	switch p := k.bind(target).(type) {
	case *map[string]string:
		for _, name := range slices.Sorted(maps.Keys(*p)) {
			add(append(slices.Clone(path), name), (*p)[name], false)
		}
	case *map[string][]string:
		for _, name := range slices.Sorted(maps.Keys(*p)) {
			add(append(slices.Clone(path), name), maskAll(k, (*p)[name]), k.masked)
		}
	default:
		if v, secret := plainValue(k, p); v != nil || l.Set[full] {
			add(path, v, secret)
		}
	}
}

// plainValue returns the printed form of a bound field, or nil if it is empty, and whether it
// contains a secret, which is masked.
func plainValue(k *key, field any) (value any, secret bool) {
	switch p := field.(type) {
	case *Secret:
		if *p != "" {
			return masked, true
		}
	case *string:
		if *p != "" && k.masked {
			return maskURL(*p)
		}
		if *p != "" {
			return *p, false
		}
	case *bool:
		return *p, false
	case *int:
		return number(k, int64(*p)), false
	case *int64:
		return number(k, *p), false
	case *time.Duration:
		if *p == 0 && k.never {
			return "never", false
		}
		return short(*p), false
	case *[]string:
		if len(*p) > 0 {
			return *p, false
		}
	case *map[string][]string:
		if len(*p) > 0 {
			m := map[string]any{}
			for name, values := range *p {
				m[name] = maskAll(k, values)
			}
			return m, k.masked
		}
	}
	return nil, false
}

func number(k *key, n int64) any {
	if text := formatSize(n); k.kind == size && text != strconv.FormatInt(n, 10) {
		return text
	}
	return n // a size without a unit is a number: quotes around it would make it invalid
}

// formatSize formats bytes in the largest unit that divides them.
func formatSize(n int64) string {
	for _, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if m := sizeUnits[unit]; n >= m && n%m == 0 {
			return strconv.FormatInt(n/m, 10) + unit
		}
	}
	return strconv.FormatInt(n, 10)
}

func maskAll(k *key, values []string) []string {
	if !k.masked {
		return values
	}
	return slices.Repeat([]string{masked}, len(values))
}

// maskURL masks the password and query of a URL, or everything if it is invalid. It reports whether
// it masked anything.
func maskURL(s string) (string, bool) {
	u, err := url.Parse(s)
	if err != nil {
		return masked, true
	}
	_, secret := u.User.Password()
	if u.RawQuery != "" {
		u.RawQuery, secret = masked, true
	}
	return u.Redacted(), secret
}

func (l *Loaded) entries(k *key, path []string, target any, rows *[]row) {
	all := k.elements(target, false)
	if len(all) == 0 {
		return
	}
	var list []any
	anySecret := false
	for _, element := range all {
		m := map[string]any{}
		var walkKeys func(k *key, m map[string]any)
		walkKeys = func(k *key, m map[string]any) {
			for _, c := range k.keys {
				if c.kind == section {
					walkKeys(c, m)
					continue
				}
				if c.bind == nil {
					continue
				}
				if v, secret := plainValue(c, c.bind(element)); v != nil {
					m[c.name] = v
					anySecret = anySecret || secret
				}
			}
		}
		walkKeys(k, m)
		list = append(list, m)
	}
	*rows = append(*rows, row{path: path, value: list, origin: l.Origins[strings.Join(path, ".")], secret: anySecret})
}

// Show writes the effective configuration as YAML, with the origin after each value and secrets
// masked.
func (l *Loaded) Show(w io.Writer) error {
	type line struct{ text, origin string }
	var lines []line
	var last []string
	width := 0
	for _, r := range l.rows() {
		same := 0
		for same < len(last) && same < len(r.path)-1 && last[same] == r.path[same] {
			same++
		}
		for i := same; i < len(r.path)-1; i++ {
			lines = append(lines, line{text: strings.Repeat("  ", i) + r.path[i] + ":"})
		}
		last = r.path
		text, err := render(r)
		if err != nil {
			return fmt.Errorf("show %s: %w", strings.Join(r.path, "."), err)
		}
		lines = append(lines, line{text: text, origin: r.origin.String()})
		if n := utf8.RuneCountInString(text); n <= 60 {
			width = max(width, n)
		}
	}
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(line.text)
		if line.origin != "" {
			b.WriteString(strings.Repeat(" ", max(0, width-utf8.RuneCountInString(line.text))) + "  # " + line.origin)
		}
		b.WriteString("\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("show configuration: %w", err)
	}
	return nil
}

func render(r row) (string, error) {
	text := fmt.Sprint(r.value)
	if r.path[0] != "version" { // which looks like a number, and is one in a file
		var err error
		if text, err = yamledit.Render(yamlValue(r.value)); err != nil {
			return "", err
		}
	}
	label, err := yamledit.Render(r.path[len(r.path)-1])
	return strings.Repeat("  ", len(r.path)-1) + label + ": " + text, err
}

// SecretsInFile returns the keys, such as storage.s3.secretkey, whose values are in the configuration
// file itself and contain secrets. Secrets that variables or files provide are not among them.
func (l *Loaded) SecretsInFile() []string {
	var keys []string
	for _, r := range l.rows() {
		if r.secret && r.origin.Kind == FromFile {
			keys = append(keys, strings.Join(r.path, "."))
		}
	}
	return keys
}

// shownValue is one effective value in the output of ShowJSON.
type shownValue struct {
	Key    string `json:"key"`
	Value  any    `json:"value"`
	Origin Origin `json:"origin"`
}

// shown is the output of ShowJSON.
type shown struct {
	File    string       `json:"file"` // empty: the built-in default
	Values  []shownValue `json:"values"`
	Notices Findings     `json:"notices"`
}

// ShowJSON writes the output of [Loaded.Show] as JSON, with notices.
func (l *Loaded) ShowJSON(w io.Writer) error {
	out := shown{File: l.Path, Notices: append(Findings{}, l.Notices...)}
	for _, r := range l.rows() {
		out.Values = append(out.Values, shownValue{Key: strings.Join(r.path, "."), Value: r.value, Origin: r.origin})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(out); err != nil {
		return fmt.Errorf("show configuration: %w", err)
	}
	return nil
}
