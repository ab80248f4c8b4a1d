package pages

import (
	"bytes"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"

	"packhouse/server/packview/record"
	"packhouse/server/route"
)

// enough is how much of each shows, in bytes.
const enough = 96 << 10

// laborious are READMEs that cost the parser, the renderer or the memory more than anybody has.
var laborious = map[string]string{
	"links":         strings.Repeat("[a](", enough/4),
	"emphasis":      strings.Repeat("**a*", enough/4),
	"strikethrough": strings.Repeat("~~a~", enough/4),
	"quotes":        strings.Repeat(">", enough),
	"wide table":    strings.Repeat("|a", 500) + "\n" + strings.Repeat("|-", 500) + "\n" + strings.Repeat("|\n", enough/2),
	"wider table":   strings.Repeat("|", 30_000) + "\n" + strings.Repeat("|-", 30_000) + "\n" + strings.Repeat("|a\n", 1000),
	"definitions":   strings.Repeat("[a]:\n", enough/5),
	"title":         strings.Repeat("[a](b \"", enough/7),
	"code":          strings.Repeat("`a``", enough/4),
	"comments":      strings.Repeat("a <!-- ", enough/7),
	"in a heading":  "# " + strings.Repeat("[a](", enough/4),
	"nested lists":  strings.Repeat("- ", 1500) + "a",
	"nested quotes": strings.Repeat("> ", 1500) + "a",
	"in a list":     "- " + strings.Repeat("[a](", enough/4),
}

// TestLaboriousReadme: what would keep a processor busy is shown as it stands.
func TestLaboriousReadme(t *testing.T) {
	p := &Pages{}
	for name, content := range laborious {
		got := string(p.readme(route.Request{}, &record.Record{}, []byte(content)))
		if !strings.HasPrefix(got, "<pre>") || len(got) > 6*len(content) {
			t.Errorf("%s: %d bytes, %.60q", name, len(got), got)
		}
	}
}

// TestManyHeadings: headings of the same text are no work, and each has a name of its own.
func TestManyHeadings(t *testing.T) {
	got := string((&Pages{}).readme(route.Request{}, &record.Record{}, []byte(strings.Repeat("# a\n", 20_000))))
	if !strings.HasPrefix(got, `<h1 id="a">a</h1>`) || !strings.Contains(got, `<h1 id="a-19999">`) || strings.Count(got, ` id="a-7"`) != 1 {
		t.Errorf("%.100q", got)
	}
}

// ordinary is one of everything that READMEs are made of.
const ordinary = "# A pack\n\n## Values\n\nWith [link](values.yaml), ![image](logo.png), `code`, *em*, **strong**, ~~gone~~ and https://example.com/x.\n\n" +
	"| key | value |\n|:----|------:|\n| `a` | 1 \\| 2 |\n| b |\n\n- [ ] open\n- [x] done\n  1. one\n  2. two\n\n> quoted\n> - list\n\n```yaml\na: b\n```\n\n    indented\n\n" +
	"<details><summary>more</summary>x</details>\n\n[ref]: values.yaml \"title\"\nSee [ref] and <https://example.com>.\n\nSetext\n===\n\n***\n\n## Values\n"

// TestMarkdownIsGitHubs holds the metered parser to what goldmark makes of the same text by itself.
func TestMarkdownIsGitHubs(t *testing.T) {
	whole := goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithParserOptions(parser.WithAutoHeadingID()), goldmark.WithRendererOptions(html.WithUnsafe()))
	var want, got bytes.Buffer
	if err := whole.Convert([]byte(ordinary), &want); err != nil {
		t.Fatal(err)
	}
	m := &meter{left: mostWork, nodes: mostNodes}
	metered := newMarkdown(m)
	document := metered.Parser().Parse(text.NewReader([]byte(ordinary)), newContext())
	if err := metered.Renderer().Render(&got, []byte(ordinary), document); err != nil || got.String() != want.String() {
		t.Errorf("%v\n%s\nwant\n%s", err, got.String(), want.String())
	}
	if used := mostWork - m.left; used > len(ordinary)*1000 {
		t.Errorf("an ordinary text of %d bytes takes %d", len(ordinary), used)
	}
}

// TestLongReadme: the longest that is shown is no work when it is ordinary.
func TestLongReadme(t *testing.T) {
	m := &meter{left: mostWork, nodes: mostNodes}
	newMarkdown(m).Parser().Parse(text.NewReader([]byte(strings.Repeat(ordinary, longestText/len(ordinary)))), newContext())
	if m.left < mostWork/2 {
		t.Errorf("%d of %d is left", m.left, mostWork)
	}
	m = &meter{left: mostWork, nodes: mostNodes}
	table := "| key | what it does | default |\n|---|---|---|\n" + strings.Repeat("| `controller.image.repository` | where the image comes from, as in *docs* | `registry.example.com/a` |\n", 1500)
	if newMarkdown(m).Parser().Parse(text.NewReader([]byte(table))); m.spent() {
		t.Error("a table of 1500 values is too much")
	}
}

func TestHeadingIDs(t *testing.T) {
	ids := newHeadingIDs()
	for _, tt := range [][2]string{{" A b_C!", "a-b-c"}, {"a b c", "a-b-c-1"}, {"a b c", "a-b-c-2"}, {"a-b-c-3", "a-b-c-3"}, {"a b c", "a-b-c-4"}, {"é", "heading"}, {"", "heading-1"}} {
		if got := string(ids.Generate([]byte(tt[0]), ast.KindHeading)); got != tt[1] {
			t.Errorf("%q: %q, want %q", tt[0], got, tt[1])
		}
	}
}
