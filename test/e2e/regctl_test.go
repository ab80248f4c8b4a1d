package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// regctlTool is regctl, told the installation's CA and logged in.
func regctlTool(in *installation, user string) *tool {
	in.t.Helper()
	regctl := newTool(in.t, "regctl")
	ca, err := os.ReadFile(in.ca())
	if err != nil {
		in.t.Fatalf("read the CA: %v", err)
	}
	regctl.run("registry", "set", in.addr, "--cacert", string(ca), "--skip-check")
	regctl.runWith(in.passwords[user], "registry", "login", in.addr, "--user", user, "--pass-stdin")
	return regctl
}

// TestRegctlImages copies an image for two platforms in, within and out.
func TestRegctlImages(t *testing.T) {
	in := install(t)
	s := in.serve()
	regctl := regctlTool(in, writer)
	image := makeLayout(t, "v1", 31)
	repository := in.addr + "/regctl/app"

	regctl.run("image", "copy", "ocidir://"+image.dir+":v1", repository+":v1")
	if got := regctl.run("image", "digest", repository+":v1"); got != image.index {
		t.Errorf("the digest is %s, want %s", got, image.index)
	}
	regctl.run("image", "copy", repository+":v1", in.addr+"/regctl/other:v1")
	regctl.run("image", "copy", in.addr+"/regctl/other:v1", "ocidir://"+filepath.Join(regctl.dir, "out")+":v1")
	image.assertLayout(t, filepath.Join(regctl.dir, "out"))

	regctl.run("index", "create", repository+":made",
		"--ref", repository+"@"+image.images["amd64"], "--ref", repository+"@"+image.images["arm64"])
	made := fromJSON[manifestDocument](t, regctl.run("manifest", "get", "--format", "raw-body", repository+":made"))
	if len(made.Manifests) != 2 {
		t.Errorf("the index made by regctl has %d children", len(made.Manifests))
	}
	s.stop()
}

// TestRegctlArtifacts puts artifacts with and without a subject, lists them,
// and deletes a tag alone, which leaves what it named.
func TestRegctlArtifacts(t *testing.T) {
	in := install(t)
	s := in.serve()
	regctl := regctlTool(in, admin)
	image := makeLayout(t, "v1", 32)
	repository := in.addr + "/regctl/artifacts"
	regctl.run("image", "copy", "ocidir://"+image.dir+":v1", repository+":v1")

	regctl.runWith("a note\n", "artifact", "put", "--artifact-type", "application/vnd.example.note", repository+":note")
	if got := regctl.run("artifact", "get", repository+":note"); got != "a note" {
		t.Errorf("the artifact is %q", got)
	}
	regctl.runWith("about it\n", "artifact", "put", "--artifact-type", "application/vnd.example.note", "--subject", repository+":v1")
	list := regctl.run("artifact", "list", repository+":v1", "--format", "{{ range .Descriptors }}{{ .ArtifactType }} {{ end }}")
	if strings.TrimSpace(list) != "application/vnd.example.note" {
		t.Errorf("the referrers are %q", list)
	}
	if got := strings.Fields(regctl.run("tag", "ls", repository)); !slices.Equal(got, []string{"note", "v1"}) {
		t.Errorf("the tags are %v", got)
	}

	regctl.run("image", "copy", repository+":v1", repository+":v2")
	regctl.run("tag", "delete", repository+":v2")
	if got := strings.Fields(regctl.run("tag", "ls", repository)); !slices.Equal(got, []string{"note", "v1"}) {
		t.Errorf("after deleting v2 the tags are %v", got)
	}
	if got := regctl.run("image", "digest", repository+"@"+image.index); got != image.index {
		t.Errorf("deleting a tag took its manifest along: %s", got)
	}
	regctl.run("manifest", "delete", repository+"@"+image.index)
	regctl.fails("manifest", "get", repository+":v1")

	blob := regctl.runWith("a blob", "blob", "put", in.addr+"/regctl/blobs")
	if blob != digestOf([]byte("a blob")) {
		t.Errorf("the blob's digest is %s", blob)
	}
	if got := regctl.run("blob", "get", in.addr+"/regctl/blobs", blob); got != "a blob" {
		t.Errorf("the blob is %q", got)
	}
	s.stop()
}

// TestRegctlPages walks listings in small pages.
func TestRegctlPages(t *testing.T) {
	in := install(t)
	s := in.serve()
	regctl := regctlTool(in, writer)
	image := makeLayout(t, "v1", 33)
	var want []string
	for _, tag := range []string{"v1", "v10", "v2", "V2", "_x", "v1.0"} {
		regctl.run("image", "copy", "ocidir://"+image.dir+":v1", in.addr+"/regctl/pages:"+tag)
		want = append(want, tag)
	}
	want = sorted(want...)
	var got []string
	for last := ""; ; {
		args := []string{"tag", "ls", in.addr + "/regctl/pages", "--limit", "2"}
		if last != "" {
			args = append(args, "--last", last)
		}
		page := strings.Fields(regctl.run(args...))
		if len(page) == 0 {
			break
		}
		if len(page) > 2 || len(got) > len(want) {
			t.Fatalf("a page of two holds %v after %v", page, got)
		}
		got = append(got, page...)
		last = page[len(page)-1]
	}
	if !slices.Equal(got, want) {
		t.Errorf("page by page the tags are %v, want %v", got, want)
	}
	s.stop()
}
