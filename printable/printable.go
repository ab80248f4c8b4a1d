// Package printable makes text from outside safe to print on a terminal.
//
// A terminal obeys control characters: text that another program sent could move the cursor, change
// the title, or hide what came before. Bidirectional controls reorder what a reader sees. Everything
// that packhouse receives from another process or machine passes through this package before it is
// printed.
package printable

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"
)

// replacement stands for each character that is removed.
const replacement = '?'

// Line returns text with every control character, line breaks and tabs included, replaced.
func Line(text string) string {
	return clean(text, func(r rune) bool { return !unsafe(r) })
}

// Text returns text with every control character but line feeds and tabs replaced.
func Text(text string) string {
	return clean(text, func(r rune) bool { return r == '\n' || r == '\t' || !unsafe(r) })
}

// JSON returns a JSON document in which every control character is escaped. It means the same: JSON
// itself requires that only of U+0000 to U+001F.
func JSON(document []byte) []byte {
	if bytes.IndexFunc(document, escaped) < 0 {
		return document
	}
	var out bytes.Buffer
	for _, r := range string(document) {
		if escaped(r) {
			fmt.Fprintf(&out, `\u%04x`, r)
		} else {
			out.WriteRune(r)
		}
	}
	return out.Bytes()
}

// escaped reports whether r can only be part of a string in a document and is unsafe there.
func escaped(r rune) bool { return r >= 0x7f && unsafe(r) }

// unsafe reports whether a terminal or a reader could be misled by r: C0 and C1 controls, DEL, the
// bidirectional controls, and the separators that some terminals treat as line breaks.
func unsafe(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

func clean(text string, keep func(rune) bool) string {
	if utf8.ValidString(text) && strings.IndexFunc(text, func(r rune) bool { return !keep(r) }) < 0 {
		return text
	}
	return strings.Map(func(r rune) rune {
		if keep(r) {
			return r
		}
		return replacement
	}, strings.ToValidUTF8(text, string(replacement)))
}

// Value cleans every string that target points to with Text: fields of structs, elements of slices,
// arrays and maps, and keys of maps. Unexported fields stay as they are. target is a pointer.
func Value(target any) {
	if v := reflect.ValueOf(target); v.Kind() == reflect.Pointer && !v.IsNil() {
		cleanValue(v.Elem())
	}
}

func cleanValue(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if v.CanSet() {
			v.SetString(Text(v.String()))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			cleanValue(v.Elem())
		}
	case reflect.Interface:
		cleanInterface(v)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				cleanValue(v.Field(i))
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			cleanValue(v.Index(i))
		}
	case reflect.Map:
		cleanMap(v)
	default: // numbers, booleans, functions and channels hold no text
	}
}

// cleanInterface replaces the value of an interface by a clean copy, because what an interface holds
// cannot be set.
func cleanInterface(v reflect.Value) {
	if v.IsNil() || !v.CanSet() {
		return
	}
	held := reflect.New(v.Elem().Type()).Elem()
	held.Set(v.Elem())
	cleanValue(held)
	v.Set(held)
}

func cleanMap(v reflect.Value) {
	if v.IsNil() {
		return
	}
	for _, key := range v.MapKeys() {
		k, e := reflect.New(key.Type()).Elem(), reflect.New(v.Type().Elem()).Elem()
		k.Set(key)
		e.Set(v.MapIndex(key))
		cleanValue(k)
		cleanValue(e)
		if !k.Equal(key) {
			v.SetMapIndex(key, reflect.Value{})
		}
		v.SetMapIndex(k, e)
	}
}
