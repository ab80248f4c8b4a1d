package packs

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
)

// line is one "key: value" or "- value" of a YAML file.
type line struct {
	number int
	indent int    // of the key: in "- image: x", the column of the i
	item   bool   // starts a list item
	key    string // empty for a bare item
	value  string // without quotes and comment; empty if none, or not a scalar
	path   string // of the key: "pack.content.images.image"; list items do not count
}

// Limits of one file. No real pack exceeds them.
const (
	maxLines    = 100_000
	maxKeyPath  = 256
	maxLine     = 32 << 10 // bytes read of a line
	maxSiblings = 64       // lines before and after the visited one in the window
)

// skim reads a YAML file of a pack line by line, without parsing it, and calls visit for each line
// with a key or an item, until visit returns false. Such files may contain {{ macros }} and
// templates and so not be valid YAML, they can be megabytes long, and an expanded alias can exceed
// the memory; reading lines is sufficient for packs.
//
// window[at] is the line, surrounded by up to maxSiblings lines on each side; visit must not retain
// the window.
func skim(r io.Reader, visit func(window []line, at int) (more bool)) error {
	s := newSkimmer(r)
	defer s.close()
	window, next := make([]line, 0, 4*maxSiblings), 0
	for {
		l, err := s.next()
		if err == nil {
			window = append(window, l)
		}
		for next < len(window) && (err != nil || len(window)-next > maxSiblings) {
			if !visit(window, next) {
				return nil
			}
			next++
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(window) == cap(window) {
			behind := next - maxSiblings
			left := copy(window, window[behind:])
			clear(window[left:])
			window, next = window[:left], maxSiblings
		}
	}
}

// skimmer splits a text into lines.
type skimmer struct {
	reader *bufio.Reader
	number int    // of the last line read
	lines  int    // number of lines returned
	open   []line // parent keys
}

var lineReaders = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, maxLine) }}

func newSkimmer(r io.Reader) *skimmer {
	reader := lineReaders.Get().(*bufio.Reader) //nolint:forcetypeassert // nothing else is in it
	reader.Reset(r)
	return &skimmer{reader: reader}
}

func (s *skimmer) close() {
	s.reader.Reset(nil)
	lineReaders.Put(s.reader)
	s.reader = nil
}

// next returns the next line with a key or an item, or io.EOF after the last.
func (s *skimmer) next() (line, error) {
	for s.lines < maxLines {
		raw, err := s.read()
		if len(raw) == 0 && err != nil {
			return line{}, err
		}
		if l, ok := s.parse(bytes.TrimRight(raw, " \t\r\n")); ok {
			s.lines++
			return l, nil
		}
	}
	return line{}, io.EOF
}

// read returns the next line of the text, truncated if long. It is valid until the next call.
func (s *skimmer) read() ([]byte, error) {
	s.number++
	raw, err := s.reader.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return raw, err
	}
	raw = bytes.Clone(raw)
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = s.reader.ReadSlice('\n')
	}
	return raw, nil
}

// parse parses one line. It returns false if the line has neither a key nor an item.
func (s *skimmer) parse(content []byte) (line, bool) {
	start := bytes.TrimLeft(content, " ")
	if len(start) == 0 || start[0] == '#' {
		return line{}, false
	}
	if string(start) == "---" || bytes.HasPrefix(start, []byte("--- ")) {
		s.open = nil
		return line{}, false
	}
	trimmed := string(start)
	l := line{number: s.number, indent: len(content) - len(start)}
	outer := l.indent
	for nested := 0; strings.HasPrefix(trimmed, "- ") && nested < maxDepth; nested++ {
		rest := strings.TrimLeft(trimmed[2:], " ")
		l.item, l.indent, trimmed = true, l.indent+len(trimmed)-len(rest), rest
	}
	var ok bool
	l.key, l.value, ok = cutKey(trimmed)
	if !ok {
		if !l.item {
			return line{}, false
		}
		l.key, l.value = "", unquote(trimmed)
	}
	// List items may have the same indentation as their key.
	isAbove := func(o line) bool { return o.indent < outer || o.indent == outer && l.item && !o.item }
	for len(s.open) > 0 && !isAbove(s.open[len(s.open)-1]) {
		s.open = s.open[:len(s.open)-1]
	}
	l.path = l.key
	if len(s.open) > 0 {
		l.path = strings.TrimSuffix(s.open[len(s.open)-1].path+"."+l.key, ".")
		if len(l.path) > maxKeyPath {
			l.path = "…." + l.key
		}
	}
	if l.key != "" && len(s.open) < maxDepth {
		s.open = append(s.open, l)
	}
	return l, true
}

// cutKey splits "key: value".
func cutKey(text string) (key, value string, ok bool) {
	if text[0] == '{' || text[0] == '[' || text[0] == '|' || text[0] == '>' {
		return "", "", false
	}
	i := strings.Index(text+" ", ": ")
	if i <= 0 || i > 200 {
		return "", "", false
	}
	key = strings.Trim(strings.TrimSpace(text[:i]), `"'`)
	if strings.ContainsAny(key, " \"{}[]") {
		return "", "", false
	}
	return key, unquote(strings.TrimSpace(text[min(i+1, len(text)):])), true
}

// unquote removes quotes and comments from a scalar.
func unquote(value string) string {
	if value == "" {
		return ""
	}
	if quote := value[0]; quote == '"' || quote == '\'' {
		if end := strings.IndexByte(value[1:], quote); end >= 0 {
			return value[1 : end+1]
		}
		return ""
	}
	if i := strings.Index(" "+value, " #"); i >= 0 {
		value = value[:max(i-1, 0)]
	}
	return strings.TrimSpace(value)
}
