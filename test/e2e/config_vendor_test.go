package e2e

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// vendorS3 is the vendor's example of an S3 storage, as it stands.
const vendorS3 = `version: 0.1
log:
  level: debug
  fields:
    environment: test
storage:
  cache:
    blobdescriptor: inmemory
  s3:
    region: us-east-1
    bucket: my-bucket
    rootdirectory: /registry
    encrypt: true
    secure: true
    accesskey: AKIAEXAMPLE
    secretkey: s3cret-of-the-example
    host: minio.example.com
    port: 9000
http:
  addr: :5000
`

// TestVendorS3: the vendor's document starts with what a container would set
// by variables, and verify tells wrong keys before.
func TestVendorS3(t *testing.T) {
	engine := startS3(t)
	host, port, err := net.SplitHostPort(engine)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file, secret := filepath.Join(dir, "myconfig.yml"), filepath.Join(dir, "secret")
	for path, content := range map[string]string{file: vendorS3, secret: s3Secret + "\n"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in := &installation{t: t, dir: dir, addr: freeAddress(t), scheme: "http"}
	common := []string{
		"REGISTRY_HTTP_ADDR=" + in.addr, "REGISTRY_STORAGE_S3_BUCKET=" + s3Bucket, "REGISTRY_STORAGE_S3_HOST=" + host,
		"REGISTRY_STORAGE_S3_PORT=" + port, "REGISTRY_STORAGE_S3_SECURE=false", "REGISTRY_STORAGE_S3_ENCRYPT=false", "REGISTRY_STORAGE_S3_ACCESSKEY=" + s3Key,
		"RUNTIME_DIRECTORY=" + dir,
	}
	verify := func(env ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), binary(t), "config", "verify", file)
		cmd.Env = append(append(os.Environ(), common...), env...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := verify()
	if err == nil || !strings.Contains(out, "storage.s3.bucket cannot be used") || strings.Contains(out, "s3cret") {
		t.Errorf("verify with wrong keys: %v\n%s", err, out)
	}
	common = append(common, "REGISTRY_STORAGE_S3_SECRETKEY_FILE="+secret)
	if out, err = verify(); err != nil {
		t.Errorf("verify: %v\n%s", err, out)
	}
	in.env = common
	s := in.serve()
	for _, path := range []string{"/health", "/v1/", "/v1/_catalog", "/v2/"} {
		if a, err := in.request(in.client(), "", http.MethodGet, path, nil); err != nil || a.status != http.StatusOK {
			t.Errorf("%s: %d %v %s", path, a.status, err, a.body)
		}
	}
	s.stop()
	if strings.Contains(s.log.String(), s3Secret) || strings.Contains(s.log.String(), "s3cret") {
		t.Error("a secret in the log")
	}
}
