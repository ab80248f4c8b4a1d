package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// containersTool is a client of the containers/image family, which podman,
// buildah and skopeo share, with the installation's CA in a --cert-dir.
func containersTool(in *installation, name, user string) (client *tool, certDir string) {
	in.t.Helper()
	client = newTool(in.t, name)
	ca, err := os.ReadFile(in.ca())
	if err != nil {
		in.t.Fatalf("read the CA: %v", err)
	}
	client.write("certs/ca.crt", ca)
	client.write("policy.json", []byte(`{"default":[{"type":"insecureAcceptAnything"}]}`))
	certDir = filepath.Join(client.dir, "certs")
	client.runWith(in.passwords[user], "login", "--cert-dir", certDir, "--username", user, "--password-stdin", in.addr)
	return client, certDir
}

// TestSkopeo copies images in both formats in, within and out.
func TestSkopeo(t *testing.T) {
	in := install(t)
	s := in.serve()
	skopeo, certs := containersTool(in, "skopeo", admin)
	image := makeLayout(t, "v1", 41)
	policy := []string{"--policy", filepath.Join(skopeo.dir, "policy.json")}
	copying := func(flags ...string) []string {
		return append(append(slices.Clone(policy), "copy", "--src-cert-dir", certs, "--dest-cert-dir", certs), flags...)
	}
	repository := "docker://" + in.addr + "/skopeo/app"

	skopeo.run(copying("--all", "--preserve-digests", "oci:"+image.dir+":v1", repository+":v1")...)
	raw := skopeo.run("inspect", "--raw", "--cert-dir", certs, repository+":v1")
	if digestOf([]byte(raw)) != image.index {
		t.Errorf("the index is %s, want %s", digestOf([]byte(raw)), image.index)
	}
	skopeo.run(copying("--all", "--preserve-digests", repository+":v1", "docker://"+in.addr+"/skopeo/copy:v1")...)
	skopeo.run(copying("--all", "--preserve-digests", "docker://"+in.addr+"/skopeo/copy:v1", "oci:"+filepath.Join(skopeo.dir, "out")+":v1")...)
	image.assertLayout(t, filepath.Join(skopeo.dir, "out"))

	skopeo.run(copying("--format", "v2s2", "oci:"+image.dir+":v1", repository+":docker")...)
	docker := fromJSON[manifestDocument](t, skopeo.run("inspect", "--raw", "--cert-dir", certs, repository+":docker"))
	if docker.MediaType != "application/vnd.docker.distribution.manifest.v2+json" {
		t.Errorf("the Docker image came back as %s", docker.MediaType)
	}
	tags := fromJSON[struct{ Tags []string }](t, skopeo.run("list-tags", "--cert-dir", certs, repository))
	if !slices.Equal(tags.Tags, []string{"docker", "v1"}) {
		t.Errorf("the tags are %v", tags.Tags)
	}
	skopeo.run("delete", "--cert-dir", certs, repository+":docker")
	skopeo.fails("inspect", "--raw", "--cert-dir", certs, repository+":docker")
	skopeo.fails("inspect", "--raw", repository+":v1") // without the CA
	s.stop()
}

// TestBuildah builds an image from nothing, pushes it and pulls it into an
// empty store.
func TestBuildah(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("buildah wants root, or subordinate user ids that a test cannot set up")
	}
	in := install(t)
	s := in.serve()
	buildah, certs := containersTool(in, "buildah", writer)
	store := func(name string, args ...string) []string {
		base := filepath.Join(buildah.dir, name)
		return append([]string{
			"--storage-driver", "vfs", "--root", filepath.Join(base, "root"), "--runroot", filepath.Join(base, "run"),
		}, args...)
	}
	policy := filepath.Join(buildah.dir, "policy.json")
	content := noise(42, 200_000)
	buildah.write("context/file", content)
	buildah.write("context/Dockerfile", []byte("FROM scratch\nCOPY file /file\n"))
	reference := in.addr + "/buildah/app:v1"

	buildah.run(store("first", "bud", "--isolation", "chroot", "--signature-policy", policy, "--tag", reference, "context")...)
	buildah.run(store("first", "push", "--signature-policy", policy, "--cert-dir", certs, reference)...)
	buildah.run(store("second", "pull", "--signature-policy", policy, "--cert-dir", certs, reference)...)
	container := buildah.run(store("second", "from", "--signature-policy", policy, "--pull-never", reference)...)
	mounted := buildah.run(store("second", "mount", container)...)
	got, err := os.ReadFile(filepath.Join(mounted, "file"))
	if err != nil {
		t.Fatalf("read the file of the pulled image: %v", err)
	}
	if !bytes.Equal(got, content) {
		t.Error("the file of the pulled image differs")
	}
	s.stop()
}
