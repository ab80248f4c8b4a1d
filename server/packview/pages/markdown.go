package pages

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

const (
	// mostWork limits the parser's work for one README, roughly in bytes scanned. The work grows
	// with the square of a paragraph's length, of the nesting depth or of a table's width, so a
	// malicious half megabyte could keep a CPU busy for minutes or use ten gigabytes. Real READMEs
	// take a tenth of this; beyond it, a README is shown as plain text.
	mostWork = 128 << 20
	// cellWork is the work counted per table cell: rows are padded to the width of the first one.
	cellWork = 1024
	// mostNodes limits the number of parts of a README: lines, cells, bold words. Each takes some
	// hundred bytes.
	mostNodes = 60_000
	// mostDepth limits how deep blocks are nested: a list in a list adds two levels. For every line,
	// the parser visits all blocks that are open.
	mostDepth = 100
)

// meter limits the work of one parser.
type meter struct{ left, nodes int }

// count consumes nodes and reports whether enough were left.
func (m *meter) count(nodes int) bool {
	if m.nodes < nodes {
		m.left = -1
		return false
	}
	m.nodes -= nodes
	return true
}

// spend consumes work and reports whether enough was left.
func (m *meter) spend(work int) bool {
	if m.left < work {
		m.left = -1
		return false
	}
	m.left -= work
	return true
}

// spent reports whether the limit was exceeded.
func (m *meter) spent() bool { return m.left < 0 }

// newMarkdown returns a GitHub Markdown parser that counts its work on m and treats the rest as
// plain text when the limit is exceeded.
func newMarkdown(m *meter) goldmark.Markdown {
	block := func(p parser.BlockParser, priority int) util.PrioritizedValue {
		return util.Prioritized(meteredBlock{p, m}, priority)
	}
	inline := func(p parser.InlineParser, priority int) util.PrioritizedValue {
		return util.Prioritized(meteredInline{p, m}, priority)
	}
	// The parsers and their priorities are goldmark's defaults and those of its GitHub Markdown
	// extension.
	return goldmark.New(
		goldmark.WithParser(parser.NewParser(
			parser.WithBlockParsers(
				block(parser.NewSetextHeadingParser(parser.WithAutoHeadingID()), 100),
				block(parser.NewThematicBreakParser(), 200),
				block(parser.NewListParser(), 300),
				block(parser.NewListItemParser(), 400),
				block(parser.NewCodeBlockParser(), 500),
				block(parser.NewATXHeadingParser(parser.WithAutoHeadingID()), 600),
				block(parser.NewFencedCodeBlockParser(), 700),
				block(parser.NewBlockquoteParser(), 800),
				block(parser.NewHTMLBlockParser(), 900),
				util.Prioritized(parser.NewParagraphParser(), 1000), // the fallback, at no cost
			),
			parser.WithInlineParsers(
				inline(extension.NewTaskCheckBoxParser(), 0),
				inline(parser.NewCodeSpanParser(), 100),
				inline(parser.NewLinkParser(), 200),
				inline(parser.NewAutoLinkParser(), 300),
				inline(parser.NewRawHTMLParser(), 400),
				inline(parser.NewEmphasisParser(), 500),
				inline(extension.NewStrikethroughParser(), 500),
				inline(extension.NewLinkifyParser(), 999),
			),
			parser.WithParagraphTransformers(
				util.Prioritized(meteredParagraph{parser.LinkReferenceParagraphTransformer, m, referenceWork, func([]byte, *text.Segments) int { return 0 }}, 100),
				util.Prioritized(meteredParagraph{extension.NewTableParagraphTransformer(), m, tableWork, tableCells}, 200),
			),
			parser.WithASTTransformers(util.Prioritized(extension.NewTableASTTransformer(), 0)),
		)),
		goldmark.WithRendererOptions(
			html.WithUnsafe(), // the output is sanitized
			renderer.WithNodeRenderers(
				util.Prioritized(extension.NewTableHTMLRenderer(), 500),
				util.Prioritized(extension.NewStrikethroughHTMLRenderer(), 500),
				util.Prioritized(extension.NewTaskCheckBoxHTMLRenderer(), 500),
			),
		),
	)
}

// meteredBlock counts the length of a line for each parser that tries it.
type meteredBlock struct {
	parser.BlockParser
	meter *meter
}

func (b meteredBlock) Open(parent ast.Node, reader text.Reader, pc parser.Context) (ast.Node, parser.State) {
	if line, _ := reader.PeekLine(); !b.meter.spend(1 + len(line)) {
		return nil, parser.NoChildren
	}
	node, state := b.BlockParser.Open(parent, reader, pc)
	if node != nil {
		b.meter.count(1)
	}
	if node != nil && deeper(parent, mostDepth) {
		b.meter.left = -1
	}
	return node, state
}

// deeper reports whether a node has at least limit ancestors.
func deeper(n ast.Node, limit int) bool {
	for ; n != nil && limit > 0; n = n.Parent() {
		limit--
	}
	return n != nil
}

func (b meteredBlock) Continue(node ast.Node, reader text.Reader, pc parser.Context) parser.State {
	if line, _ := reader.PeekLine(); !b.meter.spend(1 + len(line)) {
		return parser.Close
	}
	return b.BlockParser.Continue(node, reader, pc)
}

// meteredInline counts the length of the paragraph for each character that may start an inline
// element, because its end may be searched for up to the end of the paragraph.
type meteredInline struct {
	parser.InlineParser
	meter *meter
}

func (i meteredInline) Parse(parent ast.Node, block text.Reader, pc parser.Context) ast.Node {
	if !i.meter.spend(1 + length(parent.Lines())) {
		return nil
	}
	node := i.InlineParser.Parse(parent, block, pc)
	if node != nil {
		i.meter.count(2) // including the text before it
	}
	return node
}

// CloseBlock forwards the end of a paragraph.
func (i meteredInline) CloseBlock(parent ast.Node, block text.Reader, pc parser.Context) {
	if closer, ok := i.InlineParser.(parser.CloseBlocker); ok {
		closer.CloseBlock(parent, block, pc)
	}
}

// meteredParagraph counts the work of transforming a paragraph.
type meteredParagraph struct {
	parser.ParagraphTransformer
	meter *meter
	work  func(source []byte, lines *text.Segments) int
	nodes func(source []byte, lines *text.Segments) int
}

func (p meteredParagraph) Transform(node *ast.Paragraph, reader text.Reader, pc parser.Context) {
	if p.meter.spend(p.work(reader.Source(), node.Lines())) && p.meter.count(p.nodes(reader.Source(), node.Lines())) {
		p.ParagraphTransformer.Transform(node, reader, pc)
	}
}

// referenceWork returns the work of parsing link definitions, each of which may be searched for up
// to the end.
func referenceWork(source []byte, lines *text.Segments) int {
	work := 1
	for i := range lines.Len() {
		if bytes.HasPrefix(bytes.TrimLeft(lineOf(source, lines, i), " "), []byte("[")) {
			work += length(lines)
		}
	}
	return work
}

// tableWork returns the work for a table as wide as its widest line.
func tableWork(source []byte, lines *text.Segments) int {
	return length(lines) + tableCells(source, lines)*cellWork
}

// tableCells returns the maximum number of cells of a table.
func tableCells(source []byte, lines *text.Segments) int {
	widest := 0
	for i := range lines.Len() {
		widest = max(widest, bytes.Count(lineOf(source, lines, i), []byte("|")))
	}
	return lines.Len() * widest
}

func lineOf(source []byte, lines *text.Segments, i int) []byte {
	line := lines.At(i)
	return line.Value(source)
}

// length returns the length of the text from the first to the last line, in bytes.
func length(lines *text.Segments) int {
	if lines.Len() == 0 {
		return 0
	}
	return lines.At(lines.Len()-1).Stop - lines.At(0).Start
}

// headingIDs generates the same heading IDs as goldmark, but without recounting for each duplicate.
type headingIDs struct {
	used map[string]bool
	next map[string]int
}

// newContext returns the parser context of a document.
func newContext() parser.ParseOption {
	return parser.WithContext(parser.NewContext(parser.WithIDs(newHeadingIDs())))
}

func newHeadingIDs() *headingIDs { return &headingIDs{map[string]bool{}, map[string]int{}} }

// Generate implements parser.IDs.
func (h *headingIDs) Generate(value []byte, _ ast.NodeKind) []byte {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r == ' ', r == '\t', r == '-', r == '_':
			return '-'
		}
		return -1
	}, strings.TrimSpace(string(value)))
	if name == "" {
		name = "heading"
	}
	free := name
	for h.used[free] {
		h.next[name]++
		free = name + "-" + strconv.Itoa(h.next[name])
	}
	h.used[free] = true
	return []byte(free)
}

// Put implements parser.IDs.
func (h *headingIDs) Put(value []byte) { h.used[string(value)] = true }
