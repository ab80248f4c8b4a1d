package e2e

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// The keys of the S3 engine that a test starts.
const (
	s3Key    = "key"
	s3Secret = "a secret of 16+"
	s3Bucket = "registry"
)

// onS3Engines runs a test on every S3 engine of this run: versitygw, unless
// PACKHOUSE_S3_ENGINES names others, as `make e2e-full` does.
func onS3Engines(t *testing.T, do func(t *testing.T, engine string)) {
	t.Helper()
	engines := strings.Fields(os.Getenv("PACKHOUSE_S3_ENGINES"))
	if len(engines) == 0 {
		engines = []string{"versitygw"}
	}
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) { do(t, engine) })
	}
}

// startS3 runs versitygw with an empty bucket and returns its address.
func startS3(t *testing.T) string {
	t.Helper()
	return startS3Engine(t, "versitygw")
}

// startS3Engine runs a real S3 engine over a directory, with an empty bucket,
// and returns its address.
func startS3Engine(t *testing.T, engine string) string {
	t.Helper()
	program, addr, dir := need(t, engine), freeAddress(t), t.TempDir()
	switch engine {
	case "versitygw":
		launch(t, []string{"ROOT_ACCESS_KEY=" + s3Key, "ROOT_SECRET_KEY=" + s3Secret}, program, "--port", addr, "posix", dir)
	case "minio":
		launch(t, []string{
			"MINIO_ROOT_USER=" + s3Key, "MINIO_ROOT_PASSWORD=" + s3Secret, "MINIO_REGION=us-east-1", "MINIO_UPDATE=off", "MINIO_BROWSER=off",
		}, program, "server", "--quiet", "--address", addr, dir)
	default:
		t.Fatalf("nobody knows how to start the S3 engine %q", engine)
	}
	eventually(t, "create a bucket on "+engine, patience, func() bool {
		status, err := s3Request(t.Context(), http.MethodPut, addr, "/"+s3Bucket)
		// Conflict: the bucket exists, but the first response was lost.
		return err == nil && (status == http.StatusOK || status == http.StatusConflict)
	})
	return addr
}

// s3Request sends one signed request without a body (AWS signature version 4).
func s3Request(ctx context.Context, method, addr, path string) (int, error) {
	now := time.Now().UTC()
	stamp, day := now.Format("20060102T150405Z"), now.Format("20060102")
	empty := sha256.Sum256(nil)
	payload := hex.EncodeToString(empty[:])
	canonical := strings.Join([]string{
		method, path, "", "host:" + addr, "x-amz-content-sha256:" + payload, "x-amz-date:" + stamp, "", "host;x-amz-content-sha256;x-amz-date", payload,
	}, "\n")
	sum := sha256.Sum256([]byte(canonical))
	scope := day + "/us-east-1/s3/aws4_request"
	text := "AWS4-HMAC-SHA256\n" + stamp + "\n" + scope + "\n" + hex.EncodeToString(sum[:])
	key := []byte("AWS4" + s3Secret)
	for _, part := range []string{day, "us-east-1", "s3", "aws4_request", text} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+addr+path, nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("X-Amz-Date", stamp)
	request.Header.Set("X-Amz-Content-Sha256", payload)
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+s3Key+"/"+scope+
		", SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature="+hex.EncodeToString(key))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	return response.StatusCode, nil
}
