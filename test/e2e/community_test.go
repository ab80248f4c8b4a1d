package e2e

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/community.json again")

// communityGolden contains what lint finds in community packs.
const communityGolden = "testdata/community.json"

// communityPack is the golden result of one pack. The digest identifies the content of the folder.
type communityPack struct {
	Dir    string   `json:"dir"`
	Digest string   `json:"digest,omitempty"` // empty: refused
	Codes  []string `json:"codes"`            // of the problems, sorted
}

// community returns the folders of the packs in $PACKHOUSE_PACKS, such as those of
// spectrocloud/pack-central. It skips the test if the variable is not set.
func community(t *testing.T) []string {
	t.Helper()
	root := os.Getenv("PACKHOUSE_PACKS")
	if root == "" {
		t.Skip("PACKHOUSE_PACKS names no folder with packs")
	}
	files, err := filepath.Glob(filepath.Join(root, "*", "pack.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no pack below %s: %v", root, err)
	}
	for i, file := range files {
		files[i] = filepath.Dir(file)
	}
	return files
}

// TestCommunityPacks lints, pushes, pulls and compares the packs of a folder. Pushing again changes
// nothing. What lint finds in the packs of testdata/community.json is compared with that file.
func TestCommunityPacks(t *testing.T) {
	dirs := community(t)
	in := install(t)
	s := in.serve()
	client := packUser(in, writer)
	found := map[string]communityPack{}
	for _, dir := range dirs {
		name := filepath.Base(dir)
		found[name] = communityPack{Dir: name, Codes: lintCodes(t, client, dir)}
	}
	type result struct {
		Dir    string `json:"dir"`
		Result string `json:"result"`
		Pack   struct {
			Name   string `json:"name"`
			Tag    string `json:"tag"`
			Digest string `json:"digest"`
		} `json:"pack"`
	}
	push := func(want string) (results []result, counts map[string]int) {
		counts = map[string]int{}
		for some := range slices.Chunk(dirs, 20) {
			printed, stderr, _ := client.call("", append([]string{"pack", "push", "--json"}, some...)...)
			if !strings.HasPrefix(printed, "[") {
				t.Fatalf("push: %s%s", printed, stderr)
			}
			results = append(results, fromJSON[[]result](t, printed)...)
		}
		for _, r := range results {
			counts[r.Result]++
			switch r.Result {
			case want, "refused":
			default:
				t.Errorf("%s: %s, want %s", filepath.Base(r.Dir), r.Result, want)
			}
		}
		return results, counts
	}
	results, counts := push("pushed")
	t.Logf("%d packs: %v", len(dirs), counts)
	if counts["pushed"] == 0 {
		t.Fatal("nothing was pushed")
	}
	_, again := push("unchanged")
	if again["unchanged"] != counts["pushed"] || again["refused"] != counts["refused"] {
		t.Errorf("pushed again: %v", again)
	}
	for _, r := range results {
		if r.Result != "pushed" {
			continue
		}
		name := filepath.Base(r.Dir)
		pack := found[name]
		pack.Digest = r.Pack.Digest
		found[name] = pack
		out := client.run("pack", "pull", r.Pack.Name+":"+r.Pack.Tag, "out")
		assertSameTree(t, withoutJunk(t, r.Dir), filepath.Join(client.dir, out))
		if err := os.RemoveAll(filepath.Join(client.dir, "out")); err != nil {
			t.Fatal(err)
		}
	}
	compareCommunity(t, found)
	s.stop()
}

// withoutJunk returns the folder, or a copy without the files of the Finder, which are not pushed.
func withoutJunk(t *testing.T, dir string) string {
	t.Helper()
	if err := exec.Command("sh", "-c", `test -z "$(find "$1" -name .DS_Store)"`, "sh", dir).Run(); err == nil {
		return dir
	}
	clean := filepath.Join(t.TempDir(), filepath.Base(dir))
	if out, err := exec.Command("cp", "-a", dir, clean).CombinedOutput(); err != nil {
		t.Fatalf("copy: %v\n%s", err, out)
	}
	if out, err := exec.Command("find", clean, "-name", ".DS_Store", "-delete").CombinedOutput(); err != nil {
		t.Fatalf("remove .DS_Store: %v\n%s", err, out)
	}
	return clean
}

// lintCodes returns the codes of the problems that lint finds, sorted, each once.
func lintCodes(t *testing.T, client *tool, dir string) []string {
	t.Helper()
	printed, stderr, _ := client.call("", "pack", "lint", "--json", dir)
	type linted struct {
		Problems []struct {
			Code     string `json:"code"`
			Severity string `json:"severity"`
		} `json:"problems"`
	}
	if !strings.HasPrefix(printed, "[") && !strings.HasPrefix(printed, "{") {
		t.Fatalf("lint %s: %s%s", dir, printed, stderr)
	}
	if strings.HasPrefix(printed, "{") {
		printed = "[" + printed + "]"
	}
	codes := []string{}
	for _, p := range fromJSON[[]linted](t, printed)[0].Problems {
		codes = append(codes, p.Severity+" "+p.Code)
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// compareCommunity compares results with the golden file, for the packs whose content is the same.
func compareCommunity(t *testing.T, found map[string]communityPack) {
	t.Helper()
	if *update {
		all := []communityPack{}
		for _, pack := range found {
			if pack.Digest != "" {
				all = append(all, pack)
			}
		}
		slices.SortFunc(all, func(a, b communityPack) int { return strings.Compare(a.Dir, b.Dir) })
		lines := make([]string, len(all))
		for i, pack := range all {
			lines[i] = string(toJSON(t, pack))
		}
		text := "[\n" + strings.Join(lines, ",\n") + "\n]\n"
		if err := os.WriteFile(communityGolden, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(communityGolden)
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, want := range fromJSON[[]communityPack](t, string(golden)) {
		got := found[want.Dir]
		if got.Digest != want.Digest {
			continue // another version of the pack
		}
		compared++
		if !slices.Equal(got.Codes, want.Codes) {
			t.Errorf("%s: lint finds %q, want %q", want.Dir, got.Codes, want.Codes)
		}
	}
	t.Logf("%d packs are those of %s", compared, communityGolden)
}
