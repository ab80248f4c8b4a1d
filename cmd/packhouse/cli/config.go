package cli

import (
	"bytes"
	"encoding/json"

	"packhouse/printable"
	"packhouse/server/config"
)

// NameOf returns the path of a configuration for display.
func NameOf(f config.Found) string {
	if f.Path == "" {
		return "the built-in default"
	}
	return f.Path
}

// LoadConfig loads a configuration as serve does: the file, or the vendor's default if path is
// empty, then the environment variables.
func (a *App) LoadConfig(path string) (*config.Loaded, error) {
	return config.Load(config.Source{Path: path, Env: a.Env})
}

// PrintJSON prints a result as JSON. It escapes terminal control characters.
func (a *App) PrintJSON(v any) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return err
	}
	_, err := a.Stdout.Write(printable.JSON(text.Bytes()))
	return err
}
