package config

import (
	"fmt"

	"packhouse/finding"
	"packhouse/server/auth/htpasswd"
)

// placeholders reports values copied from documentation.
func (v *verifier) placeholders() {
	c := v.loaded.Config
	for _, value := range []struct {
		key, text string
		found     func(string) bool
	}{
		{"storage.s3.accesskey", c.Storage.S3.AccessKey, htpasswd.IsBlank},
		{"storage.s3.secretkey", c.Storage.S3.SecretKey.Reveal(), htpasswd.IsPlaceholder},
		{"storage.s3.bucket", c.Storage.S3.Bucket, htpasswd.IsBlank},
		{"auth.htpasswd.path", c.Auth.Htpasswd.Path, htpasswd.IsBlank},
		{"http.tls.letsencrypt.email", c.HTTP.TLS.LetsEncrypt.Email, htpasswd.IsBlank},
		{"http.tls.letsencrypt.eabkid", c.HTTP.TLS.LetsEncrypt.EABKeyID, htpasswd.IsBlank},
	} {
		if value.found(value.text) {
			v.add(finding.Warning, CodePlaceholder, value.key, " is a placeholder of documentation",
				"replace it with your own value")
		}
	}
	for i, host := range c.HTTP.TLS.LetsEncrypt.Hosts {
		if htpasswd.IsBlank(host) {
			v.add(finding.Warning, CodePlaceholder, fmt.Sprintf("http.tls.letsencrypt.hosts[%d]", i),
				" is a placeholder of documentation", "write the name that clients use")
		}
	}
}
