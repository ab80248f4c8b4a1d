package e2e

import (
	"os/exec"
	"testing"
)

// TestDockerCommand logs in and looks at an image with docker's own client,
// which needs no engine for either. The client comes from no package that every
// machine has, so where it is missing, this is skipped even under CI=true; the
// containers family stands in for it.
func TestDockerCommand(t *testing.T) {
	path, err := exec.LookPath("docker")
	if err != nil {
		t.Skip("the docker client is not installed")
	}
	in := install(t)
	s := in.serve()
	crane := craneTool(in, writer)
	image := makeLayout(t, "v1", 91)
	crane.run("push", image.dir, in.addr+"/docker/app:v1")

	docker := newTool(t, path)
	docker.failsWith("not the password", "login", "--username", reader, "--password-stdin", in.addr)
	docker.runWith(in.passwords[reader], "login", "--username", reader, "--password-stdin", in.addr)
	index := fromJSON[manifestDocument](t, docker.run("manifest", "inspect", in.addr+"/docker/app:v1"))
	if len(index.Manifests) != 2 {
		t.Errorf("docker sees %d images in the index, want 2", len(index.Manifests))
	}
	s.stop()
}
