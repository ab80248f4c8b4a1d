package e2e

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// craneTool is crane, trusting the installation's CA alone and logged in.
func craneTool(in *installation, user string) *tool {
	in.t.Helper()
	crane := newTool(in.t, "crane")
	crane.set("SSL_CERT_FILE", in.ca())
	crane.set("SSL_CERT_DIR", crane.dir)
	crane.runWith(in.passwords[user], "auth", "login", in.addr, "--username", user, "--password-stdin")
	return crane
}

// TestCraneMultiArch pushes an image for two platforms and pulls it again.
func TestCraneMultiArch(t *testing.T) {
	in := install(t)
	s := in.serve()
	crane := craneTool(in, writer)
	image := makeLayout(t, "v1", 21)
	reference := in.addr + "/crane/app:v1"

	crane.run("push", image.dir, reference)
	if got := crane.run("digest", reference); got != image.index {
		t.Errorf("the digest is %s, want %s", got, image.index)
	}
	for architecture, want := range image.images {
		if got := crane.run("digest", "--platform", "linux/"+architecture, reference); got != want {
			t.Errorf("the digest for %s is %s, want %s", architecture, got, want)
		}
	}
	crane.run("validate", "--remote", reference)
	crane.run("pull", "--format", "oci", reference, "pulled")
	image.assertLayout(t, filepath.Join(crane.dir, "pulled"))

	// A pull by digest needs no tag.
	crane.run("pull", "--format", "oci", in.addr+"/crane/app@"+image.images["arm64"], "pulled-arm64")
	s.stop()
}

// TestCraneBuildsIndex lets crane put images and an index together.
func TestCraneBuildsIndex(t *testing.T) {
	in := install(t)
	s := in.serve()
	crane := craneTool(in, writer)
	repository := in.addr + "/crane/made"
	first, second := makeLayout(t, "v1", 22), makeLayout(t, "v1", 23)
	crane.run("push", first.dir, repository+":first")
	crane.run("push", second.dir, repository+":second")
	crane.run("index", "append",
		"--manifest", repository+"@"+first.images["amd64"], "--manifest", repository+"@"+second.images["arm64"],
		"--tag", repository+":both")
	index := fromJSON[manifestDocument](t, crane.run("manifest", repository+":both"))
	var children []string
	for _, child := range index.Manifests {
		children = append(children, child.Digest)
	}
	if !slices.Equal(sorted(children...), sorted(first.images["amd64"], second.images["arm64"])) {
		t.Errorf("the index holds %v", children)
	}

	crane.write("layer.tar.gz", archive(t, "etc/added", "added\n"))
	crane.run("append", "--base", repository+"@"+first.images["amd64"], "--new_layer", "layer.tar.gz", "--new_tag", repository+":appended")
	crane.run("validate", "--remote", repository+":appended")
	s.stop()
}

// TestCraneCopiesAndDeletes copies between repositories, which mounts blobs,
// lists, tags and deletes.
func TestCraneCopiesAndDeletes(t *testing.T) {
	in := install(t)
	s := in.serve()
	crane := craneTool(in, admin)
	image := makeLayout(t, "v1", 24)
	// Names that are prefixes of one another, in the order that listings have.
	repositories := []string{"a", "a-b", "a.b", "a/b", "a/b/c"}
	crane.run("push", image.dir, in.addr+"/a:v1")
	for _, repository := range repositories[1:] {
		crane.run("copy", in.addr+"/a:v1", in.addr+"/"+repository+":v1")
		if got := crane.run("digest", in.addr+"/"+repository+":v1"); got != image.index {
			t.Errorf("%s: the digest is %s, want %s", repository, got, image.index)
		}
	}
	if got := strings.Fields(crane.run("catalog", in.addr)); !slices.Equal(sorted(got...), sorted(slices.Clone(repositories)...)) {
		t.Errorf("the catalogue is %v, want %v", got, repositories)
	}
	crane.run("tag", in.addr+"/a:v1", "v2")
	if got := strings.Fields(crane.run("ls", in.addr+"/a")); !slices.Equal(got, []string{"v1", "v2"}) {
		t.Errorf("the tags are %v", got)
	}
	crane.run("delete", in.addr+"/a@"+image.index)
	crane.fails("digest", in.addr+"/a:v1")
	crane.run("validate", "--remote", in.addr+"/a/b:v1")
	s.stop()
}
