package plan

import (
	"strings"
	"testing"
)

// TestSecretsAreMasked in whatever form YAML has them.
func TestSecretsAreMasked(t *testing.T) {
	for _, text := range []string{
		"secretkey: c4nary\n", "  secretkey:   \"c4\\\"nary c4nary\" # x\n", "secretkey: 'it''s c4nary'\n", "s3: {bucket: b, secretkey: c4nary, region: r}\n",
		"s3: {\"secretkey\": \"c4nary\"}\n", "secretkey: |\n  c4nary\n", "secretkey: >-\n  c4nary\n  c4nary2\n", "SecretKey: c4nary\n", "http:\n  secret: c4nary\n",
		"headers:\n  Authorization: [Bearer c4nary]\n", "secretkey: c4,nary c4nary\n", "sessiontoken: c4nary\n",
	} {
		if got := string(masked([]byte(text))); strings.Contains(got, "nary") || !strings.Contains(got, "REDACTED") {
			t.Errorf("%q is shown as %q", text, got)
		}
	}
	for _, text := range []string{"bucket: secret\n", "# the secretkey\nbucket: b\n", "auth:\n  htpasswd:\n    path: /password\n", "secretkey:\nbucket: b\n"} {
		if got := string(masked([]byte(text))); got != text {
			t.Errorf("%q is shown as %q", text, got)
		}
	}
}
