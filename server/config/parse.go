package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"packhouse/pattern"
	"packhouse/spelling"
)

// parse parses a scalar as the type of its key. If it is invalid, what describes the error, to
// append to the path of the key, and remedy how to fix it. In a file, quotes matter: "true" is a
// string. Variables are always text.
func parse(k *key, v *value) (got any, what, remedy string) {
	inFile := v.origin.Kind == FromFile
	if k.kind != secret && len(v.text) > 16<<10 {
		return nil, "is longer than 16384 bytes", "see whether something else was pasted into it"
	}
	if inFile && v.quoted && k.kind != text && k.kind != secret && k.kind != duration {
		if example := strings.TrimSpace(v.text); plain(k, example) {
			return nil, fmt.Sprintf("is %s in quotes", Quote(v.text)), fmt.Sprintf("write %s without quotes", example)
		}
	}
	switch k.kind {
	case secret:
		if strings.ContainsFunc(v.text, isControl) {
			return nil, "holds a control character", "a secret is one line of text"
		}
		return v.text, "", ""
	case text:
		return parseText(k, v.text)
	case boolean:
		if b, ok := parseBool(v.text); ok {
			return b, "", ""
		}
		return nil, fmt.Sprintf("is %s", Quote(v.text)), "write true or false"
	case integer:
		n, err := strconv.ParseInt(v.text, 10, 32)
		if err != nil {
			return nil, fmt.Sprintf("is not a whole number: %s", Quote(v.text)), "write digits only"
		}
		return least(k, n, v.text)
	case size:
		n, ok := parseSize(v.text)
		if !ok {
			return nil, fmt.Sprintf("is not a number of bytes: %s", Quote(v.text)), "write digits, or digits with KiB, MiB or GiB"
		}
		return least(k, n, v.text)
	case duration:
		return parseDuration(k, v.text)
	}
	return nil, "cannot be read", ""
}

// plain reports whether the text would be valid without its quotes.
func plain(k *key, s string) bool {
	_, what, _ := parse(k, &value{form: scalar, text: s, origin: Origin{Kind: FromVariable}})
	return what == ""
}

func parseText(k *key, s string) (any, string, string) {
	if strings.ContainsFunc(s, isControl) {
		return nil, "holds a control character", "remove it; a value is one line of text"
	}
	if k.choices == nil {
		return s, "", ""
	}
	for _, c := range k.choices {
		if strings.EqualFold(c, s) {
			return c, "", ""
		}
	}
	if len(k.choices) == 1 {
		return nil, fmt.Sprintf("is %s", Quote(s)), "write " + k.choices[0]
	}
	remedy := "write one of " + strings.Join(k.choices, ", ")
	if n := spelling.Nearest(s, k.choices); n != "" && withoutDigits(n) != withoutDigits(s) { // another version is no slip
		remedy = fmt.Sprintf("did you mean %s?", n)
	}
	return nil, fmt.Sprintf("is %s", Quote(s)), remedy
}

func withoutDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}
		return r
	}, s)
}

func parseBool(s string) (b, ok bool) {
	switch strings.ToLower(s) {
	case "true", "yes", "on":
		return true, true
	case "false", "no", "off":
		return false, true
	}
	return false, false
}

var sizeForm = pattern.Lazy(`^([0-9]{1,15}) ?([KMGT]i?B|B)?(/s)?$`)

var sizeUnits = map[string]int64{
	"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
}

func parseSize(s string) (int64, bool) {
	m := sizeForm().FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	unit := sizeUnits[m[2]]
	if err != nil || n > (1<<62)/unit {
		return 0, false
	}
	return n * unit, true
}

var bareNumber = pattern.Lazy(`^[0-9]+$`)

func parseDuration(k *key, s string) (any, string, string) {
	if k.never && strings.EqualFold(s, "never") {
		return time.Duration(0), "", ""
	}
	if bareNumber().MatchString(s) && strings.Trim(s, "0") != "" {
		return nil, fmt.Sprintf("is %s, a number without a unit", s), fmt.Sprintf("write %ss for seconds, or use m or h", s)
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		remedy := "write a number with a unit: 90s, 5m or 24h"
		if days, found := strings.CutSuffix(s, "d"); found {
			if n, err := strconv.Atoi(days); err == nil && n < 100_000 {
				remedy = fmt.Sprintf("days are written in hours: %dh", n*24)
			}
		}
		return nil, fmt.Sprintf("is not a duration: %s", Quote(s)), remedy
	}
	if d < 0 {
		return nil, fmt.Sprintf("is %s, less than nothing", s), "write a positive duration"
	}
	if d < time.Duration(k.min) {
		return nil, fmt.Sprintf("is %s", s), fmt.Sprintf("the least is %s", short(time.Duration(k.min)))
	}
	return d, "", ""
}

func least(k *key, n int64, s string) (any, string, string) {
	if n < k.min {
		return nil, fmt.Sprintf("is %s", s), fmt.Sprintf("the least is %v", number(k, k.min))
	}
	return n, "", ""
}

// short formats a duration in short form: 24h instead of 24h0m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// example returns an example value of a kind.
func (k kind) example(of *key) string {
	switch {
	case of.choices != nil:
		return of.choices[0]
	case k == boolean:
		return "true or false"
	case k == integer:
		return "digits"
	case k == size:
		return "digits, or digits with KiB, MiB or GiB"
	case k == duration:
		return "90s, 5m or 24h"
	}
	return "a text"
}

// isControl reports whether r is a control character, including bidi controls, which reorder or
// hide adjacent text.
func isControl(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar
}

func validHeaderName(s string) bool {
	if s == "" || len(s) > 100 {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r > 126 || r <= ' ' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}
