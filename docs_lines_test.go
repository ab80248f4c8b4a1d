package packhouse_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pages are the documents for people, by their path.
func pages(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	decisions, err := filepath.Glob("docs/decisions/*.md")
	if err != nil {
		t.Fatal(err)
	}
	paths = append(paths, decisions...)
	found := map[string]string{}
	for _, path := range append(paths, "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found[path] = string(text)
	}
	return found
}

var (
	fenced   = regexp.MustCompile("(?ms)^```[a-z]*\n(.*?)^```")
	heading  = regexp.MustCompile(`(?m)^#+ (.+)$`)
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	inCode   = regexp.MustCompile("`(packhouse [^`]+)`")
	inBlock  = regexp.MustCompile(`(?m)(?:^|[;&|$(] ?|sudo )\s*(packhouse .*)$`)
	word     = regexp.MustCompile(`^[a-z]+$`)
	longFlag = regexp.MustCompile(`^--[a-z0-9-]+`)
)

// anchor is what GitHub makes of a heading.
func anchor(text string) string {
	text = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(text), "")
	return strings.ReplaceAll(text, " ", "-")
}

// TestLinksLeadSomewhere follows every link between the documents, to the heading.
func TestLinksLeadSomewhere(t *testing.T) {
	all := pages(t)
	anchors := map[string][]string{}
	for path, text := range all {
		for _, found := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			anchors[path] = append(anchors[path], anchor(found[1]))
		}
	}
	for path, text := range all {
		for _, found := range link.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			file, to, _ := strings.Cut(found[1], "#")
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %s leads nowhere: %v", path, found[1], err)
			} else if to != "" && !slices.Contains(anchors[target], to) {
				t.Errorf("%s: %s has no such heading", path, found[1])
			}
		}
	}
}

// TestLinesNameRealCommands holds every line with packhouse in the documents against the commands and flags of docs/command-line.md, which is
// made of the program itself.
func TestLinesNameRealCommands(t *testing.T) {
	all := pages(t)
	flags := map[string][]string{} // by command
	for _, section := range strings.Split(all["docs/command-line.md"], "\n## ")[1:] {
		name, body, _ := strings.Cut(section, "\n")
		flags[name] = []string{"--help"}
		for _, row := range regexp.MustCompile("(?m)^\\| `(?:-[a-z], )?(--[a-z0-9-]+)").FindAllStringSubmatch(body, -1) {
			flags[name] = append(flags[name], row[1])
		}
	}
	delete(all, "docs/command-line.md")
	lines := 0
	for path, text := range all {
		found := inCode.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1)
		for _, block := range fenced.FindAllStringSubmatch(text, -1) {
			found = append(found, inBlock.FindAllStringSubmatch(strings.ReplaceAll(block[1], "\\\n", " "), -1)...)
		}
		for _, line := range found {
			lines++
			command, _, _ := strings.Cut(line[1], " #")
			name, takes := "packhouse", true
			for _, part := range strings.Fields(command)[1:] {
				given := longFlag.FindString(part)
				switch {
				case part == "|" || part == "&&" || part == "--":
					takes = false
				case !takes:
				case given != "" && !slices.Contains(flags[name], given):
					t.Errorf("%s: %q: %s has no flag %s", path, command, name, given)
				case given == "" && word.MatchString(part) && flags[name+" "+part] != nil:
					name += " " + part
				}
			}
			if second, _, _ := strings.Cut(strings.TrimPrefix(command, "packhouse "), " "); name == "packhouse" && word.MatchString(second) {
				t.Errorf("%s: %q: there is no command %s", path, command, second)
			}
		}
	}
	if lines < 100 {
		t.Errorf("only %d lines were found", lines)
	}
}

// TestDocumentsNameRealFiles finds Go files in the documents that do not exist. Names with a part in
// capital letters are placeholders.
func TestDocumentsNameRealFiles(t *testing.T) {
	names := map[string]bool{}
	for _, root := range []string{".", "cmd", "packs", "server", "setup", "test", "tui"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && root == "." && entry.IsDir() && path != "." {
				return filepath.SkipDir
			}
			names[filepath.Base(path)] = true
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	file := regexp.MustCompile("`([A-Za-z0-9_/*]+\\.go)`")
	found := 0
	for document, text := range pages(t) {
		for _, m := range file.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "NAME") || strings.Contains(m[1], "TOPIC") {
				continue
			}
			found++
			matches, err := filepath.Glob(m[1])
			if err != nil || len(matches) == 0 && (strings.Contains(m[1], "/") || !names[m[1]]) {
				t.Errorf("%s names %s, which does not exist", document, m[1])
			}
		}
	}
	if found < 20 {
		t.Errorf("%d names of files found, want at least 20", found)
	}
}
