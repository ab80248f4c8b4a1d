package config

import (
	"slices"
	"testing"
)

func TestVariables(t *testing.T) {
	for _, c := range []struct {
		name string
		env  []string
		want []string
	}{
		{"keys", []string{"REGISTRY_HTTP_ADDR=:1", "REGISTRY_AUTH=none", "HOME=/root"}, []string{"REGISTRY_AUTH", "REGISTRY_HTTP_ADDR"}},
		{"unknown key", []string{"REGISTRY_URL=x"}, []string{"REGISTRY_URL"}},
		{"misspelt prefix", []string{"REGSITRY_LOG_LEVEL=debug"}, []string{"REGSITRY_LOG_LEVEL"}},
		{"secret in a file", []string{"REGISTRY_HTTP_SECRET_FILE=/no/such/file"}, []string{"REGISTRY_HTTP_SECRET_FILE"}},
		{"empty", []string{"REGISTRY_LOG_LEVEL="}, nil},
		{"path of the file", []string{PathVariable + "=/etc/x.yml"}, nil},
		{"other programs", []string{"REGISTRY_AUTH_FILE=/run/auth.json", "REGISTRY_PORT=tcp://10.0.0.1:5000", "REGISTRY_SERVICE_HOST=10.0.0.1"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Variables(c.env); !slices.Equal(got, c.want) {
				t.Errorf("Variables(%q) = %q, want %q", c.env, got, c.want)
			}
		})
	}
}
