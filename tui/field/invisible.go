package field

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// named are the names of common invisible characters.
var named = map[rune]string{
	'\t':     "tab",
	'\n':     "line feed",
	'\r':     "carriage return",
	0x1b:     "escape",
	0x00:     "null",
	0x7f:     "delete",
	0x00ad:   "soft hyphen",
	0x061c:   "Arabic letter mark",
	0x200b:   "zero width space",
	0x200c:   "zero width non-joiner",
	0x200d:   "zero width joiner",
	0x200e:   "left-to-right mark",
	0x200f:   "right-to-left mark",
	0x202a:   "left-to-right embedding",
	0x202b:   "right-to-left embedding",
	0x202c:   "pop directional formatting",
	0x202d:   "left-to-right override",
	0x202e:   "right-to-left override",
	0x2060:   "word joiner",
	0x2066:   "left-to-right isolate",
	0x2067:   "right-to-left isolate",
	0x2068:   "first strong isolate",
	0x2069:   "pop directional isolate",
	0xfeff:   "byte order mark",
	0x2028:   "line separator",
	0x2029:   "paragraph separator",
	0x115f:   "Hangul filler",
	0x1160:   "Hangul filler",
	0x3164:   "Hangul filler",
	0xffa0:   "Hangul filler",
	0x2800:   "blank braille pattern",
	0x034f:   "combining grapheme joiner",
	0x00a0:   "no-break space",
	0x3000:   "ideographic space",
	'\ufffd': "replacement character, so the bytes were not UTF-8",
}

// Invisible returns a description of the first invisible character: "U+202E (right-to-left
// override)", or "" if there is none.
func Invisible(text string) string {
	for _, r := range text {
		if !hidden(r) {
			continue
		}
		if name, ok := named[r]; ok {
			return fmt.Sprintf("U+%04X (%s)", r, name)
		}
		return fmt.Sprintf("U+%04X (%s)", r, kind(r))
	}
	return ""
}

func hidden(r rune) bool {
	if _, ok := named[r]; ok {
		return true
	}
	return r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Cs, unicode.Co, unicode.Zl, unicode.Zp,
		unicode.Variation_Selector, unicode.Noncharacter_Code_Point) || (unicode.Is(unicode.Zs, r) && r != ' ')
}

func kind(r rune) string {
	switch {
	case unicode.IsControl(r):
		return "control character"
	case unicode.IsSpace(r), unicode.Is(unicode.Zs, r):
		return "special space"
	default:
		return "invisible character"
	}
}
