package verify

import (
	"fmt"

	"packhouse/server/auth/htpasswd"
	"packhouse/server/config"
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
			v.warnf(config.CodePlaceholder, value.key, "replace it with your own value",
				" is a placeholder of documentation")
		}
	}
	for i, host := range c.HTTP.TLS.LetsEncrypt.Hosts {
		if htpasswd.IsBlank(host) {
			v.warnf(config.CodePlaceholder, fmt.Sprintf("http.tls.letsencrypt.hosts[%d]", i),
				"write the name that clients use", " is a placeholder of documentation")
		}
	}
}
