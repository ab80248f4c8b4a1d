package verify

import (
	"slices"
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/server/config"
)

func TestPlaceholdersAreReported(t *testing.T) {
	for _, tc := range []struct{ name, s3, key string }{
		{"values of one's own", "bucket: packs, accesskey: AKIDEXAMPLE1, secretkey: 7h3-r34l-0n3", ""},
		{"the access key of the documentation", "bucket: packs, accesskey: SAMPLEACCESSKEY, secretkey: 7h3-r34l-0n3", "storage.s3.accesskey"},
		{"the secret key of the documentation", "bucket: packs, accesskey: AKIDEXAMPLE1, secretkey: yourSecretKey", "storage.s3.secretkey"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			document := "version: 0.1\nstorage:\n  s3: {region: us-east-1, regionendpoint: 'http://127.0.0.1:1', " + tc.s3 + "}\nhttp: {addr: '127.0.0.1:0'}\n"
			loaded, err := config.Load(config.Source{Path: "/nowhere/my.yml", Data: []byte(document)})
			if err != nil {
				t.Fatal(err)
			}
			v := &verifier{loaded: loaded}
			v.placeholders()
			i := slices.IndexFunc(
				v.problems,
				func(p finding.Finding) bool { return p.Code == config.CodePlaceholder && p.Severity == finding.Warning },
			)
			if (i >= 0) != (tc.key != "") ||
				i >= 0 && (v.problems[i].Key != tc.key || strings.Contains(v.problems[i].String(), "yourSecretKey")) {
				t.Errorf("problems %v, want %s", v.problems, tc.key)
			}
		})
	}
}
