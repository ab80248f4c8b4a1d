package s3

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"packhouse/server/config"
	"packhouse/server/storage"
	"packhouse/server/storage/storagetest"
)

// engineVariable names the program versitygw or minio, real S3 engines over a directory. Without it the tests against one are skipped.
const engineVariable = "PACKHOUSE_TEST_S3"

// The keys of the engine; minio wants eight characters of a secret.
const engineKey, engineSecret = "key", "a-secret"

func engineIs(name string) bool { return filepath.Base(os.Getenv(engineVariable)) == name }

// engineCommand runs an engine on an address and a directory. Which one it is the program's name tells.
func engineCommand(program, addr, dir string) *exec.Cmd {
	if engineIs("minio") {
		cmd := exec.Command(program, "server", "--quiet", "--address", addr, "--console-address", "127.0.0.1:0", dir)
		cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+engineKey, "MINIO_ROOT_PASSWORD="+engineSecret, "MINIO_REGION=us-east-1", "MINIO_UPDATE=off", "MINIO_BROWSER=off")
		return cmd
	}
	cmd := exec.Command(program, "--port", addr, "posix", dir)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+engineKey, "ROOT_SECRET_KEY="+engineSecret)
	return cmd
}

// startEngine runs a real S3 engine until the test ends, and returns the configuration of an empty bucket of it.
func startEngine(t testing.TB) config.S3Storage {
	t.Helper()
	program := os.Getenv(engineVariable)
	if program == "" {
		t.Skipf("%s does not name versitygw or minio, which `test/e2e/tools.sh versitygw minio` builds", engineVariable)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	var said bytes.Buffer
	cmd := engineCommand(program, addr, t.TempDir())
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	answers(t, "http://"+addr+"/", &said)
	cfg := config.S3Storage{
		Region: "us-east-1", Bucket: "registry", AccessKey: engineKey, SecretKey: engineSecret, RegionEndpoint: addr, ForcePathStyle: true,
		ChunkSize: smallestChunk, RootDirectory: "/a root",
	}
	c, err := newClient(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.api.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String(cfg.Bucket)}); err != nil {
		t.Fatalf("create bucket: %v", err)
	}
	return cfg
}

// openEngine opens a store, as one process of several would, and waits for the work of its start.
func openEngine(t testing.TB, cfg config.S3Storage, change func(*Options)) *Store {
	t.Helper()
	o := Options{Config: cfg, Settle: 2 * time.Second, Log: testLog(t)}
	if change != nil {
		change(&o)
	}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	s.life.background.Wait()
	return s
}

func TestEngineContract(t *testing.T) {
	cfg := startEngine(t)
	n := make(chan int, 1)
	n <- 0
	storagetest.Run(t, func(t *testing.T) storage.Store {
		mine := cfg
		i := <-n
		mine.RootDirectory = fmt.Sprintf("/root %d", i)
		n <- i + 1
		return openEngine(t, mine, nil)
	})
}

func TestEngineIsStrong(t *testing.T) {
	cfg := startEngine(t)
	c, err := newClient(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	traits, err := prove(t.Context(), c)
	want := Traits{
		Create: true, Replace: true, ConditionalDrop: true, ReadAfterWrite: true, ListedAfterWrite: true, Copy: true,
	}
	want.ConditionalDrop = !engineIs("minio") // it deletes whatever If-Match says
	if err != nil || traits != want {
		t.Errorf("%+v, %v, want %+v", traits, err, want)
	}
	p, err := c.list(context.Background(), "", "", 10, false)
	if err != nil || len(p.objects) > 0 {
		t.Errorf("left behind: %v, %v", p, err)
	}
}

// answers waits until a program responds to a request. On failure it shows the program's output.
func answers(t testing.TB, url string, output fmt.Stringer) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) { // polling
		r, err := http.Get(url)
		if err == nil {
			r.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no response from %s: %v\n%s", url, err, output)
		}
	}
}
