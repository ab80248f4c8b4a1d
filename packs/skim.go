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
	indent int    // of the key, so "- image: x" is at the i of image
	item   bool   // a list's item starts here
	key    string // empty for a bare item
	value  string // without quotes and comment; empty where a mapping, a list or nothing follows
	path   string // of the key: "pack.content.images.image"; list items add nothing
}

// Bounds of one file. Nothing that packs are asked for is beyond them.
const (
	maxLines    = 100_000
	maxKeyPath  = 256
	maxLine     = 32 << 10 // bytes of a line that are read
	maxSiblings = 64       // lines before and after one that are at hand when it is visited
)

// skim reads a YAML file of a pack line by line, without parsing it, and calls visit for each line that holds a key or an item, until visit
// returns false. Such files are texts with {{ macros }} and templates before they are YAML, they may have many megabytes, and an alias in one
// may expand to more than a machine has; lines answer all questions that packs raise.
//
// window[at] is the line. Around it up to maxSiblings lines are at hand; visit must not keep the window.
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

// skimmer turns a text into lines.
type skimmer struct {
	reader *bufio.Reader
	number int    // of the line that was read last
	lines  int    // that were returned
	open   []line // the keys above
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

// next returns the next line that holds a key or an item; io.EOF after the last.
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

// read returns the next line of the text, of a long one the beginning. It is valid until the next call.
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

// parse reads one line; false if it holds neither a key nor an item.
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
	// A list's items may have the indent of the key that holds them.
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

// unquote takes quotes and comments off a scalar.
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
