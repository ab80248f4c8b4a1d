package manifest

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// maxDepth is the maximum nesting depth of a manifest. Real ones need five levels; the rest is for
// custom fields.
const maxDepth = 64

// checkSyntax rejects content that is not a JSON object in UTF-8 (RFC 8259), and what encoding/json
// accepts: repeated keys, which readers resolve differently, and excessive nesting. It costs little
// more than a scan of the bytes, because untrusted manifests may be 4 MiB long.
func checkSyntax(content []byte) error {
	if !utf8.Valid(content) {
		return refuse(ErrSyntax, "the manifest is not UTF-8")
	}
	if !json.Valid(content) {
		var v json.RawMessage
		return refuse(ErrSyntax, "the manifest is not JSON: %v", json.Unmarshal(content, &v))
	}
	if content[blank(content, 0)] != '{' {
		return refuse(ErrSyntax, "the manifest is not a JSON object")
	}
	var levels [maxDepth]level
	depth := 0 // never 0 between the first and the last byte, which both belong to one object
	for i := 0; i < len(content); {
		switch c := content[i]; c {
		case '{', '[':
			if depth == maxDepth {
				return refuse(ErrTooLarge, "a manifest is nested at most %d deep", maxDepth)
			}
			levels[depth].begin(c == '{')
			depth++
		case '}', ']':
			depth--
		case ',':
			at := &levels[depth-1] //nolint:gosec // see depth
			at.wantsKey = at.object
		case '"':
			end := text(content, i)
			at := &levels[depth-1] //nolint:gosec // see depth
			if at.wantsKey && !at.add(unquoted(content[i:end])) {
				return refuse(ErrSyntax, "key %.100s occurs twice", content[i:end])
			}
			i = end
			continue
		}
		i++
	}
	return nil
}

// few is the number of keys up to which keys are compared linearly.
const few = 16

// level is an object or array being scanned.
type level struct {
	object   bool
	wantsKey bool     // the next string is a key
	keys     [][]byte // up to few; the backing array is reused by the next object at this depth
	many     map[string]struct{}
}

func (l *level) begin(object bool) {
	l.object, l.wantsKey, l.keys, l.many = object, object, l.keys[:0], nil
}

// add records a key and reports whether it is new.
func (l *level) add(key []byte) bool {
	l.wantsKey = false
	if l.many == nil && len(l.keys) < few {
		for _, k := range l.keys {
			if bytes.Equal(k, key) {
				return false
			}
		}
		l.keys = append(l.keys, key)
		return true
	}
	if l.many == nil {
		l.many = make(map[string]struct{}, 4*few)
		for _, k := range l.keys {
			l.many[string(k)] = struct{}{}
		}
	}
	_, twice := l.many[string(key)]
	l.many[string(key)] = struct{}{}
	return !twice
}

// The functions below require valid JSON.

// member is a key of an object with its value.
type member struct {
	key   []byte // unquoted
	value []byte
}

// members splits an object; nil if raw is not one.
func members(raw []byte) []member {
	if len(raw) == 0 || raw[0] != '{' {
		return nil
	}
	all := make([]member, 0, 6)
	for i := blank(raw, 1); raw[i] != '}'; {
		if raw[i] == ',' {
			i = blank(raw, i+1)
		}
		end := text(raw, i)
		key := unquoted(raw[i:end])
		i = blank(raw, blank(raw, end)+1) // past the colon
		end = value(raw, i)
		all = append(all, member{key, raw[i:end]})
		i = blank(raw, end)
	}
	return all
}

// elements splits an array; ok reports whether raw is one.
func elements(raw []byte) (all [][]byte, ok bool) {
	if len(raw) == 0 || raw[0] != '[' {
		return nil, false
	}
	for i := blank(raw, 1); raw[i] != ']'; {
		if raw[i] == ',' {
			i = blank(raw, i+1)
		}
		end := value(raw, i)
		all = append(all, raw[i:end])
		i = blank(raw, end)
	}
	return all, true
}

// blank returns the index of the first byte at or after i that is not white space, or the length.
func blank(raw []byte, i int) int {
	for i < len(raw) && (raw[i] == ' ' || raw[i] == '\n' || raw[i] == '\t' || raw[i] == '\r') {
		i++
	}
	return i
}

// text returns the index after the string whose opening quote is at i.
func text(raw []byte, i int) int {
	for i++; raw[i] != '"'; i++ {
		if raw[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// value returns the index after the value that starts at i.
func value(raw []byte, i int) int {
	switch raw[i] {
	case '"':
		return text(raw, i)
	case '{', '[':
		for depth := 0; ; {
			switch raw[i] {
			case '"':
				i = text(raw, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			i++
			if depth == 0 {
				return i
			}
		}
	}
	for i < len(raw) && bytes.IndexByte([]byte(",]} \n\t\r"), raw[i]) < 0 {
		i++
	}
	return i
}

// unquoted returns the value of a JSON string.
func unquoted(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	var s string
	_ = json.Unmarshal(quoted, &s) // valid, see above
	return []byte(s)
}
