package config

import (
	"path/filepath"
	"strings"
	"testing"
)

// honour switches a section on, as when its feature lands.
func honour(t *testing.T, k *key) {
	before := k.status
	k.status = honoured
	t.Cleanup(func() { k.status = before })
}

// expectWords loads and compares the error, or else the notices, line by line.
func expectWords(t *testing.T, src Source, want ...string) *Loaded {
	t.Helper()
	loaded, err := Load(src)
	got := ""
	if err != nil {
		got = err.Error()
	} else {
		for _, n := range loaded.Notices {
			got += n.String() + "\n"
		}
	}
	if strings.TrimSpace(got) != strings.Join(want, "\n") {
		t.Errorf("%s %v\ngot:\n%s\nwant:\n%s", src.Data, src.Env, got, strings.Join(want, "\n"))
	}
	return loaded
}

func TestS3(t *testing.T) {
	honour(t, s3Keys)
	file := func(keys string) Source {
		return Source{Path: "my.yml", Data: []byte("version: 0.1\nstorage:\n  s3: {" + keys + "}\nhttp: {addr: 'localhost:1'}\n")}
	}
	loaded := expectWords(t, file("region: us-east-1, bucket: my-bucket, rootdirectory: /registry, encrypt: true, secure: false, accesskey: A, secretkey: S, host: minio.example, port: 9000"),
		"my.yml:3:136: storage.s3.regionendpoint is minio.example:9000, with the bucket's name in the path (forcepathstyle)")
	want := S3Storage{
		Region: "us-east-1", Bucket: "my-bucket", RootDirectory: "/registry", Encrypt: true, AccessKey: "A", SecretKey: "S",
		RegionEndpoint: "minio.example:9000", ForcePathStyle: true, ChunkSize: 10 << 20, MaxRetries: 5, UploadMemory: 64 << 20,
	}
	if loaded.Config.Storage.S3 != want || loaded.Config.Storage.Driver != S3 {
		t.Errorf("got %+v", loaded.Config.Storage)
	}
	expectWords(t, file("encrypt: true|false"),
		"my.yml:3:7: storage.s3.bucket is missing; name the bucket", "my.yml:3:7: storage.s3.region is missing; name the region of the bucket, such as us-east-1",
		`my.yml:3:17: storage.s3.encrypt is "true|false"; write true or false`)
	expectWords(t, file("bucket: b, region: r, port: 9000, accesskey: a, keyid: k"),
		"my.yml:3:7: storage.s3 has one of accesskey and secretkey; give both, or none to ask the usual AWS chain",
		"my.yml:3:36: storage.s3.port is given without host; name the host too",
		"my.yml:3:63: storage.s3.keyid has no use without encryption; write encrypt: true")
	expectWords(t, file("bucket: b, host: h, regionendpoint: 'https://x'"),
		"my.yml:3:25: storage.s3 has both host and regionendpoint; keep one of them")
	expectWords(t, file("bucket: b, regionendpoint: 'https://x', secure: false"),
		"my.yml:3:56: storage.s3.secure is false and the URL in storage.s3.regionendpoint starts with https://; remove storage.s3.secure, or correct the URL")
	expectWords(t, file("bucket: b, secure: true, regionendpoint: 'http://x'"),
		"my.yml:3:27: storage.s3.secure is true and the URL in storage.s3.regionendpoint starts with http://; remove storage.s3.secure, or correct the URL")
	expectWords(t, file("bucket: b, regionendpoint: 'ftp://x', chunksize: 1MiB"),
		"my.yml:3:35: storage.s3.regionendpoint is not a URL; write it like https://minio.example:9000",
		"my.yml:3:57: storage.s3.chunksize is 1MiB; the least is 5MiB")
	loaded = expectWords(t, Source{Path: "my.yml", Data: []byte("version: 0.1\nstorage: {filesystem: {rootdirectory: /d}, delete: {enabled: false}}\nhttp: {addr: 'localhost:1'}\n"), Env: []string{
		"REGISTRY_STORAGE=s3", "REGISTRY_STORAGE_S3_BUCKET=1e5", "REGISTRY_STORAGE_S3_REGION=no", "REGISTRY_STORAGE_S3_ACCESSKEY=0123456", "REGISTRY_STORAGE_S3_SECRETKEY_FILE=/run/secrets/good",
	}, ReadFile: secretFiles})
	if s := loaded.Config.Storage.S3; s.Bucket != "1e5" || s.Region != "no" || s.AccessKey != "0123456" || s.SecretKey.Reveal() != "canary-from-file" || loaded.Config.Storage.Delete.Enabled {
		t.Errorf("got %+v", loaded.Config.Storage)
	}
}

func TestLetsEncrypt(t *testing.T) {
	file := func(keys string) Source {
		return Source{Path: "/etc/x/my.yml", Data: []byte("version: 0.1\nstorage: inmemory\nhttp:\n  tls:\n    " + keys + "\nauth: {htpasswd: {realm: r, path: /p}}\n")}
	}
	loaded := expectWords(t, file("letsencrypt: {cachefile: le-cache, email: you@example.com, hosts: [a.example.com]}"),
		"/etc/x/my.yml:5:30: http.tls.letsencrypt.cachefile is beside this file: "+filepath.Join("/etc/x", "le-cache"))
	if l := loaded.Config.HTTP.TLS.LetsEncrypt; l.CacheFile != "/etc/x/le-cache" || l.Hosts[0] != "a.example.com" {
		t.Errorf("got %+v", l)
	}
	expectWords(t, file("letsencrypt: {email: you@example.com}"),
		"/etc/x/my.yml:5:18: http.tls.letsencrypt.hosts is empty, so no certificate can be ordered; write the names that clients use",
		"/etc/x/my.yml:5:18: http.tls.letsencrypt.cachefile is missing, so every start would order a new certificate until the CA's rate limit is reached; name a directory that stays")
	expectWords(t, file("{certificate: /c, key: /k, letsencrypt: {cachefile: /le, hosts: [a.example.com]}}"),
		"/etc/x/my.yml:5:45: http.tls has both a certificate from files and letsencrypt; keep one of them")
	for keys, want := range map[string]string{
		"hosts: [192.0.2.7]":                    `hosts[0] is an address: "192.0.2.7"; ACME directories sign names; write the name that resolves to this machine`,
		"hosts: ['*.example.com']":              `hosts[0] is not a valid name for a certificate: "*.example.com" (`,
		"hosts: [a.example.com, 'a b']":         `hosts[1] is not a valid name for a certificate: "a b" (`,
		"hosts: [a.b], email: me":               `email is not an address for mail: "me"; write it like you@example.com, or remove the line`,
		"hosts: [a.b], directoryurl: http://ca": `directoryurl is not an https:// URL: "http://ca"; `,
		"hosts: [a.b], httpaddr: 80":            `httpaddr is only a number: 80; write :80`,
	} {
		if _, err := Load(file("letsencrypt: {cachefile: /le, " + keys + "}")); err == nil || !strings.Contains(err.Error(), "http.tls.letsencrypt."+want) {
			t.Errorf("%s: %v", keys, err)
		}
	}
	if _, err := Load(file("letsencrypt: {cachefile: 'storage:le', hosts: [a.example.com]}")); err == nil || !strings.Contains(err.Error(), "names the storage") {
		t.Errorf("a cache in the storage: %v", err)
	}
	expectWords(t, file("letsencrypt: {}"), "/etc/x/my.yml:5:18: http.tls.letsencrypt.hosts is empty, so no certificate can be ordered; write the names that clients use",
		"/etc/x/my.yml:5:18: http.tls.letsencrypt.cachefile is missing, so every start would order a new certificate until the CA's rate limit is reached; name a directory that stays")
}

func TestWebhooks(t *testing.T) {
	loaded := expectWords(t, Source{Path: "my.yml", Data: []byte(`version: 0.1
storage: inmemory
http: {addr: 'localhost:1'}
notifications:
  events: {includereferences: true}
  endpoints:
    - name: a
      url: https://a.example/
      headers: {Authorization: [Bearer x]}
      ignore: {actions: [pull]}
`), Env: []string{"REGISTRY_NOTIFICATIONS_ENDPOINTS_0_TIMEOUT=5s", "REGISTRY_NOTIFICATIONS_ENDPOINTS_1_NAME=b", "REGISTRY_NOTIFICATIONS_ENDPOINTS_1_DISABLED=true"}},
		"REGISTRY_NOTIFICATIONS_ENDPOINTS_1_NAME: notifications.endpoints: the queue is in memory with this storage; what waits is lost when the server stops")
	n := loaded.Config.Notifications
	if !n.IncludeReferences || len(n.Endpoints) != 2 || n.Endpoints[0].Timeout.Seconds() != 5 || n.Endpoints[0].Threshold != 10 || n.Endpoints[1].Name != "b" ||
		n.Endpoints[0].IgnoreActions[0] != "pull" || n.Endpoints[0].Headers["Authorization"][0] != "Bearer x" {
		t.Errorf("got %+v", n)
	}
	expectWords(t, Source{Path: "my.yml", Data: []byte(`version: 0.1
storage: {s3: {region: r, bucket: b}}
http: {addr: 'localhost:1'}
notifications: {endpoints: [{name: a, url: 'https://a.example/'}]}
`)}) // what waits is in the bucket
}
