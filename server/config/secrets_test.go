package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"packhouse/server/config"
)

// TestSecretsInFile: secrets in the file count, those of variables do not.
func TestSecretsInFile(t *testing.T) {
	document := func(http, s3, rest string) string {
		return "version: 0.1\nhttp:\n  addr: 127.0.0.1:5000\n" + http +
			"storage:\n  s3:\n    bucket: packs\n    region: eu-central-1\n" + s3 + rest
	}
	const hook = "notifications:\n  endpoints:\n    - name: ci\n      url: https://"
	rows := []struct {
		name string
		file string
		env  []string
		want []string
	}{
		{"none", document("", "", ""), nil, nil},
		{
			"the key of the bucket", document("", "    accesskey: AKID\n    secretkey: hunter2\n", ""), nil,
			[]string{"storage.s3.secretkey"},
		},
		{
			"the key of the bucket by variable", document("", "    accesskey: AKID\n", ""),
			[]string{"REGISTRY_STORAGE_S3_SECRETKEY=hunter2"},
			nil,
		},
		{
			"the secret that other registries sign uploads with", document("  secret: hunter2\n", "", ""), nil,
			[]string{"http.secret"},
		},
		{
			"a header of a webhook",
			document("", "", hook+"ci.example.com/\n      headers: {Authorization: [Bearer hunter2]}\n"), nil,
			[]string{"notifications.endpoints"},
		},
		{
			"a password in the URL of a webhook", document("", "", hook+"me:hunter2@ci.example.com/\n"), nil,
			[]string{"notifications.endpoints"},
		},
		{
			"a token in the query of a webhook", document("", "", hook+"ci.example.com/?token=hunter2\n"), nil,
			[]string{"notifications.endpoints"},
		},
		{"a webhook without", document("", "", hook+"ci.example.com/\n"), nil, nil},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "myconfig.yml")
			if err := os.WriteFile(path, []byte(row.file), 0o600); err != nil {
				t.Fatal(err)
			}
			loaded, err := config.Load(config.Source{Path: path, Env: row.env})
			if err != nil {
				t.Fatal(err)
			}
			if got := loaded.SecretsInFile(); !reflect.DeepEqual(got, row.want) {
				t.Errorf("%q, want %q", got, row.want)
			}
		})
	}
}
