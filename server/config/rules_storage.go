package config

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"packhouse/finding"
)

// settleS3 validates the bucket and its endpoint. It converts the vendor's host and port to a
// custom S3 endpoint with path-style addressing.
func (d *decoder) settleS3(c *Config, document *value, whole Origin) {
	if c.Storage.Driver != S3 {
		return
	}
	const path = "storage.s3"
	s := &c.Storage.S3
	host, port := document.at("storage", "s3", "host"), document.at("storage", "s3", "port")
	switch {
	case host != nil && s.RegionEndpoint != "":
		d.fail(CodeConflict, d.origins[path+".host"], path+".host", path+" has both host and regionendpoint",
			"keep one of them")
	case host != nil && port != nil:
		s.RegionEndpoint, s.ForcePathStyle = net.JoinHostPort(host.text, port.text), true
	case host != nil:
		s.RegionEndpoint, s.ForcePathStyle = host.text, true
	case port != nil:
		d.fail(CodeMissing, d.origins[path+".port"], path+".host", path+".port is given without host", "name the host too")
	}
	if host != nil && s.RegionEndpoint != "" {
		p := path + ".regionendpoint"
		d.origins[p] = d.origins[path+".host"]
		d.note(finding.Note, d.origins[p], p,
			fmt.Sprintf("%s is %s, with the bucket's name in the path (forcepathstyle)", p, s.RegionEndpoint), "")
	}
	if endpoint := s.RegionEndpoint; strings.Contains(endpoint, "://") {
		p := path + ".regionendpoint"
		u, err := url.Parse(endpoint)
		if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
			d.fail(CodeValue, d.either(whole, p, path+".host"), p, p+" is not a URL", "write it like https://minio.example:9000")
		} else if secure := document.at("storage", "s3", "secure"); secure != nil && s.Secure != (u.Scheme == "https") {
			d.fail(CodeConflict, d.origins[path+".secure"], path+".secure",
				fmt.Sprintf("%s.secure is %t and the URL in %s starts with %s://", path, s.Secure, p, u.Scheme),
				fmt.Sprintf("remove %s.secure, or correct the URL", path))
		}
	}
	if s.Bucket == "" {
		d.missing(whole, path+".bucket", path+".bucket is missing", "name the bucket")
	}
	if s.Region == "" && s.RegionEndpoint == "" {
		d.missing(whole, path+".region", path+".region is missing", "name the region of the bucket, such as us-east-1")
	}
	if (s.AccessKey == "") != (s.SecretKey == "") {
		d.missing(whole, path+".secretkey", path+" has one of accesskey and secretkey", "give both, or none to ask the usual AWS chain")
	}
	if s.KeyID != "" && !s.Encrypt {
		d.fail(CodeConflict, d.origins[path+".keyid"], path+".keyid", path+".keyid has no use without encryption",
			"write encrypt: true")
	}
}
