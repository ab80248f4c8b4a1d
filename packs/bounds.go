package packs

import (
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"packhouse/finding"
)

// An archive of a few kilobytes can contain millions of values, names or findings, so these limits
// are checked before anything is built from them. Real packs are far smaller: a pack.json has a few
// kilobytes, a pack a few dozen files.
const (
	maxMetadata  = 256 << 10 // bytes of pack.json
	maxValues    = 1 << 20   // bytes read of values.yaml
	maxReadme    = 512 << 10 // bytes read of README.md
	maxLogo      = 1 << 20   // bytes of a logo
	maxParsed    = 512 << 10 // bytes of a YAML file to parse
	maxKept      = 4 << 20   // total bytes of an archive's documents
	maxNodes     = 10_000    // values in pack.json
	maxYAMLNodes = 30_000    // values in a YAML file to parse
	maxLintNodes = 300_000   // values in a YAML file that a command parses
	maxItems     = 1000      // items of a list, and members of an object, in pack.json
	maxTextValue = 1024      // bytes of a string in pack.json
	maxFindings  = 100       // findings of each severity
	maxSentence  = 512       // bytes of a finding's message, and of its remedy
	maxNames     = 1 << 20   // total bytes of all paths in an archive
	maxHeader    = 64 << 10  // bytes of headers before one file in an archive
)

// documentLimit returns how many bytes to read of a document. For a logo and pack.json it is one
// byte more than allowed, to detect one that is too large.
func documentLimit(name string) int64 {
	switch name {
	case MetadataFile:
		return maxMetadata + 1
	case ValuesFile:
		return maxValues
	case LogoFile:
		return maxLogo + 1
	case SchemaFile, PresetsFile:
		return maxParsed + 1
	}
	return maxReadme
}

// readDocument reads a document of the given size up to its limit.
func readDocument(name string, size int64, content io.Reader) ([]byte, error) {
	limit := documentLimit(name)
	text := make([]byte, 0, min(max(size, 0), limit)+1)
	for int64(len(text)) < limit {
		if len(text) == cap(text) {
			text = slices.Grow(text, 512) // the file grew while it was read
		}
		n, err := content.Read(text[len(text):min(int64(cap(text)), limit)])
		text = text[:len(text)+n]
		if err == io.EOF { //nolint:errorlint // io.Reader returns it bare
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return text, nil
}

// textLimit returns how many bytes are read of a text file of a pack that is parsed.
func textLimit(name string) int64 {
	switch name {
	case MetadataFile:
		return maxMetadata
	case ValuesFile:
		return maxValues
	case SchemaFile, PresetsFile:
		return maxParsed
	}
	return maxYAML
}

// tooLong returns an error with the size and the limit if a text file is larger than what is read
// of it.
func tooLong(name string, size int64) error {
	if limit := textLimit(name); size > limit {
		return fmt.Errorf("the file has %d bytes, and at most %d are read", size, limit)
	}
	return nil
}

// TooLong returns an error if a text file of the pack, such as ValuesFile, is larger than what is
// read of it. Parsing its beginning would report errors that the file does not have.
func (p *Pack) TooLong(name string) error {
	i, found := p.find(name)
	if !found {
		return nil
	}
	return tooLong(name, p.Files[i].Size)
}

// ReadText reads a text file of a pack, such as a manifest. It returns an error if the file is
// larger than its limit, and never reads more than that.
func ReadText(fsys fs.FS, name string) ([]byte, error) {
	file, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // read only
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if err := tooLong(name, info.Size()); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	text, err := io.ReadAll(io.LimitReader(file, textLimit(name)+1))
	if err != nil {
		return nil, err
	}
	if err := tooLong(name, int64(len(text))); err != nil { // it grew while it was read
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return text, nil
}

// findings collects problems: the first maxFindings of each severity, then one that reports that
// there are more.
type findings struct {
	list  []finding.Finding
	count map[finding.Severity]int
}

// full reports whether further problems of a severity are dropped, so that their texts need not be
// formatted.
func (f *findings) full(severity finding.Severity) bool { return f.count[severity] > maxFindings }

// add adds a problem with its texts shortened.
func (f *findings) add(p finding.Finding) {
	if f.count == nil {
		f.count = map[finding.Severity]int{}
	}
	f.count[p.Severity]++
	switch n := f.count[p.Severity]; {
	case p.Code == CodeMoreFindings || n == maxFindings+1:
		f.count[p.Severity] = maxFindings + 1
		f.list = append(f.list, finding.Finding{
			Code: CodeMoreFindings, Severity: p.Severity, What: "there are more than 100 findings of this severity; the others are not listed",
			Remedy: "correct these first",
		})
	case n <= maxFindings:
		p.File, p.What, p.Remedy = clip(p.File, maxSentence), clip(p.What, maxSentence), clip(p.Remedy, maxSentence)
		f.list = append(f.list, p)
	}
}

// Bounded returns the first problems of each severity. If there are more of a severity, a final
// problem reports that.
func Bounded(problems []finding.Finding) []finding.Finding {
	var f findings
	for _, p := range problems {
		if !f.full(p.Severity) && p.Code != CodeMoreFindings {
			f.add(p)
		}
	}
	for _, p := range problems {
		if p.Code == CodeMoreFindings && !f.full(p.Severity) {
			f.add(p)
		}
	}
	isMore := func(p finding.Finding) int {
		if p.Code == CodeMoreFindings {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(f.list, func(a, b finding.Finding) int { return cmp.Compare(isMore(a), isMore(b)) })
	return f.list
}

// clip truncates a text to at most a number of bytes, at a character boundary.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
