package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"packhouse/finding"
	"packhouse/server/config"
)

// mostMends limits the automatic repairs of a file. A file with more faults is probably not a
// configuration.
const mostMends = 100

// mend repairs a configuration where the intent is clear: it corrects misspelled keys, replaces
// tabs with spaces, and comments out invalid entries. It never deletes a line, and never guesses
// authentication, TLS or storage settings. steps describes each repair with its line; ok reports
// whether the server accepts the result.
func mend(path string, data []byte) (mended []byte, steps []string, ok bool) {
	for range mostMends {
		problems := problemsOf(path, data)
		if len(problems) == 0 {
			return data, steps, len(steps) > 0
		}
		better, step := mendOne(path, data, problems)
		if better == nil {
			return nil, nil, false
		}
		data, steps = better, append(steps, step)
	}
	return nil, nil, false
}

// problemsOf returns the problems for which the server refuses a configuration.
func problemsOf(path string, data []byte) config.Findings {
	_, err := config.Load(config.Source{Path: path, Data: data})
	return config.FindingsOf(path, err)
}

// mendOne repairs one of the problems. It returns nil if it cannot repair any.
func mendOne(path string, data []byte, problems config.Findings) (better []byte, step string) {
	for _, p := range problems {
		for _, try := range []func(finding.Finding, *text) string{untab, rename, putOut} {
			t := newText(data)
			if p.Line < 1 || p.Line > len(t.lines) {
				continue
			}
			said := try(p, t)
			if said == "" {
				continue
			}
			if json.Valid(data) && !json.Valid(t.bytes()) {
				continue
			}
			left := problemsOf(path, t.bytes())
			// A syntax error hides other problems, so a repair may reveal more.
			same := func(o finding.Finding) bool { return o.Code == p.Code && o.Line == p.Line }
			if len(left) < len(problems) || p.Code == config.CodeSyntax && !slices.ContainsFunc(left, same) {
				return t.bytes(), fmt.Sprintf("line %d: %s", p.Line, said)
			}
		}
	}
	return nil, ""
}

// text is a file split into lines, with their line ends.
type text struct{ lines [][]byte }

func newText(data []byte) *text { return &text{slices.Collect(bytes.Lines(bytes.Clone(data)))} }

func (t *text) bytes() []byte { return bytes.Join(t.lines, nil) }

// indent returns the number of spaces before the line at an index, or -1 for an empty line or a
// comment.
func (t *text) indent(at int) int {
	trimmed := bytes.TrimLeft(t.lines[at], " ")
	if rest := bytes.TrimSpace(trimmed); len(rest) == 0 || rest[0] == '#' {
		return -1
	}
	return len(t.lines[at]) - len(trimmed)
}

// key returns the key that starts on a line, or "".
func (t *text) key(at int) string {
	name, _, found := bytes.Cut(bytes.TrimSpace(t.lines[at]), []byte(":"))
	if t.indent(at) < 0 || !found || bytes.ContainsAny(name, " \t\"'{}[],#-") {
		return ""
	}
	return string(name)
}

// path returns the dotted path of the key on a line, according to the indentation.
func (t *text) path(at int) string {
	path, indent := t.key(at), t.indent(at)
	for i := at - 1; i >= 0 && indent > 0; i-- {
		if outer := t.indent(i); outer >= 0 && outer < indent && t.key(i) != "" {
			path, indent = t.key(i)+"."+path, outer
		}
	}
	return path
}

// untab replaces leading tabs with spaces.
func untab(p finding.Finding, t *text) string {
	if p.Code != config.CodeSyntax && p.Code != config.CodeIndentation {
		return ""
	}
	found := false
	for i, line := range t.lines {
		rest := bytes.TrimLeft(line, " \t")
		margin := line[:len(line)-len(rest)]
		if bytes.IndexByte(margin, '\t') >= 0 {
			found = true
			t.lines[i] = append(bytes.ReplaceAll(margin, []byte("\t"), []byte("  ")), rest...)
		}
	}
	if !found {
		return ""
	}
	return "tabs become blanks, here and where else lines begin with them"
}

// rename corrects a misspelled key, if the right key belongs to the same section.
func rename(p finding.Finding, t *text) string {
	at := p.Line - 1
	wrong := t.key(at)
	section, right := "", p.Meant
	if i := strings.LastIndexByte(p.Meant, '.'); i >= 0 {
		section, right = p.Meant[:i+1], p.Meant[i+1:]
	}
	if p.Meant == "" || wrong == "" || t.path(at) != section+wrong {
		return ""
	}
	t.lines[at] = bytes.Replace(t.lines[at], []byte(wrong), []byte(right), 1)
	return fmt.Sprintf("%s becomes %s", wrong, right)
}

// guarded are the sections in which mend comments nothing out, because the server would run without
// the setting.
var guarded = []string{
	"auth",
	"storage",
	"http.tls",
	"http.insecure",
	"http.addr",
	"http.trustedproxies",
	"http.debug",
	"packs",
	"policy",
	"proxy",
}

// putOut comments out the entry on a line, with everything below it.
func putOut(p finding.Finding, t *text) string {
	at := p.Line - 1
	name, path, indent := t.key(at), t.path(at), t.indent(at)
	if name == "" || p.Code == config.CodeSyntax || p.Code == config.CodeIndentation {
		return ""
	}
	for _, section := range guarded {
		if path == section || strings.HasPrefix(path, section+".") || strings.HasPrefix(section, path+".") {
			return ""
		}
	}
	last := at
	for i := at + 1; i < len(t.lines); i++ {
		deeper := t.indent(i) > indent || t.indent(i) == indent && bytes.HasPrefix(bytes.TrimSpace(t.lines[i]), []byte("- "))
		if !deeper && t.indent(i) >= 0 {
			break
		}
		if deeper {
			last = i
		}
	}
	for i := at; i <= last; i++ {
		if t.indent(i) < 0 {
			continue
		}
		t.lines[i] = slices.Concat(t.lines[i][:indent], []byte("# "), t.lines[i][indent:])
	}
	return name + " is commented out with a #, and stays readable"
}
