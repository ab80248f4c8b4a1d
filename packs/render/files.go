package render

import (
	"encoding/base64"
	"path"
	"strings"

	"github.com/gobwas/glob"

	"packhouse/packs/chart"
)

// files are what templates see as .Files.
type files map[string][]byte

func filesOf(c *chart.Chart) files {
	f := files{}
	for _, file := range c.Files {
		f[file.Name] = file.Data
	}
	return f
}

// GetBytes returns the content of a file, which is empty if it is missing.
func (f files) GetBytes(name string) []byte { return append([]byte{}, f[name]...) }

// Get returns the content of a file, which is empty if it is missing.
func (f files) Get(name string) string { return string(f[name]) }

// Glob returns the files whose paths match a pattern; an invalid pattern matches everything.
func (f files) Glob(pattern string) files {
	match, err := glob.Compile(pattern, '/')
	if err != nil {
		match = glob.MustCompile("**")
	}
	matching := files{}
	for name, data := range f {
		if match.Match(name) {
			matching[name] = data
		}
	}
	return matching
}

// AsConfig returns the files as the data of a ConfigMap.
func (f files) AsConfig() string {
	return f.data(func(content []byte) string { return string(content) })
}

// AsSecrets returns the files as the data of a Secret.
func (f files) AsSecrets() string { return f.data(base64.StdEncoding.EncodeToString) }

func (f files) data(encode func([]byte) string) string {
	data := map[string]string{}
	for name, content := range f {
		data[path.Base(name)] = encode(content)
	}
	text, err := toYAML(data)
	if err != nil {
		return ""
	}
	return text
}

// Lines returns the lines of a file.
func (f files) Lines(name string) []string {
	if len(f[name]) == 0 {
		return []string{}
	}
	return strings.Split(strings.TrimSuffix(string(f[name]), "\n"), "\n")
}
