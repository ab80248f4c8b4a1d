package htpasswd

import (
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Generated passwords have seven groups of four characters from an alphabet of 32, or 140 bits. The
// alphabet omits the easily confused 0, o, 1 and l; hyphens between the groups need no quoting in a
// shell.
const (
	alphabet    = "abcdefghijkmnpqrstuvwxyz23456789"
	groups      = 7
	groupLength = 4
)

// GeneratePassword generates a 140-bit password that can be read aloud and pasted into a shell
// unquoted. If random is nil, it uses crypto/rand.
func GeneratePassword(random io.Reader) (string, error) {
	if random == nil {
		random = rand.Reader
	}
	drawn := make([]byte, groups*groupLength)
	if _, err := io.ReadFull(random, drawn); err != nil {
		return "", fmt.Errorf("generate password: %w", err)
	}
	var b strings.Builder
	for i, d := range drawn {
		if i > 0 && i%groupLength == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(alphabet[int(d)%len(alphabet)]) // unbiased: 256 is a multiple of 32
	}
	return b.String(), nil
}

// Strength rates a password while it is typed: "weak: …", "fair: …" or "good". It checks form only;
// ValidatePassword decides what is rejected.
func Strength(password []byte) string {
	s := string(password)
	length := utf8.RuneCountInString(s)
	kinds, distinct := survey(s)
	switch {
	case len(password) > MaxPasswordBytes:
		return "weak: over 72 bytes, will be refused"
	case IsPlaceholder(s):
		return "weak: known from documentation"
	case length < 8:
		return "weak: under 8 characters"
	case distinct < 5:
		return "weak: few different characters"
	case sequential(s):
		return "weak: a plain sequence"
	case kinds == 1 && length < 16:
		return "weak: one kind of character"
	case length < 12:
		return "fair: 12 characters are better"
	}
	return "good"
}

// survey counts the kinds of characters (lower case, upper case, digits, others) and the distinct
// characters.
func survey(s string) (kinds, distinct int) {
	seen := make(map[rune]bool)
	kind := make(map[int]bool)
	for _, r := range s {
		seen[r] = true
		switch {
		case unicode.IsLower(r):
			kind[0] = true
		case unicode.IsUpper(r):
			kind[1] = true
		case unicode.IsDigit(r):
			kind[2] = true
		default:
			kind[3] = true
		}
	}
	return len(kind), len(seen)
}

// sequential reports whether s is a run through the alphabet, the digits or a keyboard row, in
// either direction.
func sequential(s string) bool {
	s = strings.ToLower(s)
	back := []rune(s)
	for i, j := 0, len(back)-1; i < j; i, j = i+1, j-1 {
		back[i], back[j] = back[j], back[i]
	}
	for _, row := range [...]string{"abcdefghijklmnopqrstuvwxyz", "01234567890123456789", "qwertyuiopasdfghjklzxcvbnm"} {
		if strings.Contains(row, s) || strings.Contains(row, string(back)) {
			return true
		}
	}
	return false
}
