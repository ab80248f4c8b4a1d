package apply

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/plan"
)

// TestWhatAnUninstallLeavesIsToldOf: nobody is to find private keys in a bucket years later that nothing spoke of.
func TestWhatAnUninstallLeavesIsToldOf(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "le-cache")
	if err := os.Mkdir(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	load := func(storage, cachefile string) *config.Config {
		t.Helper()
		text := "version: 0.1\nstorage: " + storage + "\nhttp: {addr: \":443\", tls: {letsencrypt: {cachefile: \"" + cachefile + "\", email: a@example.com, hosts: [registry.example.com]}}}\n" +
			"auth: {htpasswd: {realm: r, path: /etc/packhouse/htpasswd}}\n"
		loaded, err := config.Load(config.Source{Path: "myconfig.yml", Data: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		return &loaded.Config
	}
	const bucket = "{s3: {bucket: packs, region: eu-central-1, accesskey: A, secretkey: B, rootdirectory: /team}}"
	for _, tc := range []struct {
		name string
		c    *config.Config
		want []string
	}{
		{"nothing that can be read", nil, nil},
		{"a directory", load("{filesystem: {rootdirectory: /nowhere}}", filepath.Join(cache, "gone")), nil},
		{"a directory, and certificates", load("{filesystem: {rootdirectory: /nowhere}}", cache), []string{cache}},
		{"a directory with certificates in it", load("{filesystem: {rootdirectory: /nowhere}}", "storage:le-cache"), nil}, // told with the rest of it
		{"a bucket", load(bucket, filepath.Join(cache, "gone")), []string{
			"bucket packs (AWS, eu-central-1), team/docker/registry/v2/", "bucket packs (AWS, eu-central-1), team/packhouse/v1/",
		}},
		{"a bucket with certificates in it", load(bucket, "storage:le-cache"), []string{
			"bucket packs (AWS, eu-central-1), team/docker/registry/v2/", "bucket packs (AWS, eu-central-1), team/packhouse/v1/",
			"bucket packs (AWS, eu-central-1), team/packhouse/v1/records/acme/le-cache/",
		}},
	} {
		var got []string
		for _, r := range plan.Remainders(tc.c) {
			got = append(got, r.Where)
			if strings.Contains(r.Where, "le-cache") != strings.Contains(r.What, "private keys") || r.Remedy == "" {
				t.Errorf("%s: %v", tc.name, r)
			}
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// TestRemovePlannedStore verifies that the store of a plan is removed if it belongs to the user of the planned server.
func TestRemovePlannedStore(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make files of another user")
	}
	const server = 50001
	dir, store := t.TempDir(), filepath.Join(t.TempDir(), "store")
	tree := filepath.Join(store, "docker", "registry", "v2", "blobs")
	if err := os.MkdirAll(tree, 0o750); err != nil {
		t.Fatal(err)
	}
	for path := tree; path != filepath.Dir(store); path = filepath.Dir(path) {
		if err := os.Chown(path, server, server); err != nil {
			t.Fatal(err)
		}
	}
	text := "version: 0.1\nstorage: {filesystem: {rootdirectory: " + store + "}}\nhttp: {addr: \"127.0.0.1:5000\"}\n" +
		"auth: {htpasswd: {realm: r, path: /etc/packhouse/htpasswd}}\n"
	planned := &plan.Plan{
		Dir: dir,
		Changes: []plan.Change{
			{Path: filepath.Join(dir, installation.ConfigFile), Kind: setup.Create, After: []byte(text)},
		},
	}
	planned.Resolved.Answers.RunAs = "50001"
	if err := plan.RemovePlannedStore(planned); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(store); err == nil {
		t.Error("the store exists still")
	}
}

// TestLinkedStore verifies that uninstall removes nothing through a link, and that a failed setup removes its own
// content from a linked directory, but neither the directory nor the link.
func TestLinkedStore(t *testing.T) {
	base := t.TempDir()
	target, link := filepath.Join(base, "target"), filepath.Join(base, "link")
	if err := os.Mkdir(target, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(base, "packhouse")
	planned := install(t, m, dir, answer.Values{"storage-path": {link}})
	content := filepath.Join(target, "docker", "registry", "v2", "blobs")
	if err := os.MkdirAll(content, 0o750); err != nil {
		t.Fatal(err)
	}
	in, err := installation.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	err = plan.KeepsStore(in)
	if !errors.As(err, new(*finding.Error)) || !strings.Contains(err.Error(), link+" is a link to "+target) {
		t.Errorf("uninstall: %v, want a refusal that names the link and its target", err)
	}
	// Another user may have planted the link, so that its target is a system directory.
	refusal, ok := errors.AsType[*finding.Error](err)
	if ok && !strings.HasSuffix(refusal.Findings[0].Remedy, "rm "+link) {
		t.Errorf("remedy: %s, want one that removes only the link", refusal.Findings[0].Remedy)
	}
	if err := plan.RemovePlannedStore(planned); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(target)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the directory: %v, %v", left, err)
	}
	if _, err := os.Lstat(link); err != nil {
		t.Error(err)
	}
}
