package packhouse_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// avoided lists words and phrases that prose of this project does not use: they hide who does
// what. CONTRIBUTING.md describes the voice. Comments, messages, help and documents are checked.
var avoided = regexp.MustCompile(`(?i)\b(` + strings.Join([]string{
	// Pronouns in place of a subject.
	"somebody", "nobody", "anybody", "everybody", "whoever", "whomever", "the one that", "the ones that",
	"what stands", "what lies", "what is there", "what is told", "what comes in",
	"nothing is there", "is none of", "are none of",
	// Verbs of everyday life in place of those of the field.
	"judge[sd]?", "judging", "tells?", "told", "telling", "goes on", "go on", "going on", "went on",
	"stands?(?:ing)? (?:there|here|before|in front|for itself)",
	"lies (?:there|here|in|below|where)", "mend(?:s|ed|ing)?", "comes? to know", "to be had", "let go",
	// Archaic adverbs.
	"anew", "of late", "once more", "so many", "such a", "but for the", "hiccups",
	// Terms that the glossary replaces.
	"lock-out", "cool-down", "tidying", "set aside",
}, "|") + `)\b`)

// code is what Markdown quotes from programs.
var code = regexp.MustCompile("(?ms)^```.*?^```|`[^`\n]*`")

// measureWords adds the avoided words of a file.
func measureWords(t *testing.T, book rulebook, path string, content []byte) {
	t.Helper()
	pkg := filepath.ToSlash(filepath.Dir(path))
	add := func(text, where string) {
		for _, word := range avoided.FindAllString(text, -1) {
			book.add(pkg, "words", 1, "%s: %q", where, strings.ToLower(word))
		}
	}
	if filepath.Ext(path) != ".go" {
		text := code.ReplaceAllStringFunc(string(content), func(s string) string {
			return strings.Repeat("\n", strings.Count(s, "\n")) // keeps the line numbers
		})
		for number, line := range strings.Split(text, "\n") {
			add(line, path+":"+strconv.Itoa(number+1))
		}
		return
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, content, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Comments {
		add(group.Text(), files.Position(group.Pos()).String())
	}
	if strings.HasSuffix(path, "_test.go") {
		return
	}
	ast.Inspect(file, func(node ast.Node) bool {
		if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			add(literal.Value, files.Position(literal.Pos()).String())
		}
		return true
	})
}

func TestAvoidedWords(t *testing.T) {
	for text, want := range map[string]string{
		"Nobody is told":            "Nobody,told",
		"the server goes on":        "goes on",
		"a judgement, a standard":   "",
		"Such a file is created":    "Such a",
		"the path is none of these": "is none of",
	} {
		if got := strings.Join(avoided.FindAllString(text, -1), ","); got != want {
			t.Errorf("%q: found %q, want %q", text, got, want)
		}
	}
}
