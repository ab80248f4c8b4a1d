package field

import (
	"math/bits"
	"unicode"

	"github.com/charmbracelet/bubbles/textinput"

	"packhouse/tui/theme"
)

// MaxSecretBytes is where bcrypt stops reading a password.
const MaxSecretBytes = 72

// NewSecret makes a line whose text is never drawn.
func NewSecret(t theme.Theme, label string, check func(value string) error) *Text {
	f := NewText(t, TextOptions{Label: label, MaxBytes: MaxSecretBytes, Check: check})
	f.secret = true
	f.input.EchoMode = textinput.EchoPassword
	f.input.EchoCharacter = '•'
	return f
}

// NewHidden makes a line for a secret that may be as long as any text. While nothing is typed it says in words what there is.
func NewHidden(t theme.Theme, there string) *Text {
	f := NewSecret(t, "", nil)
	f.options.MaxBytes = maxBytes
	f.input.Placeholder = there
	return f
}

// Strength says in words how hard a password is to guess. It counts kinds of characters and length, knows no dictionary and says so little
// that nobody takes it for a proof.
func Strength(password string) string {
	if password == "" {
		return ""
	}
	var lower, upper, digit, other, length int
	seen := map[rune]bool{}
	for _, r := range password {
		length++
		seen[r] = true
		switch {
		case unicode.IsLower(r):
			lower = 26
		case unicode.IsUpper(r):
			upper = 26
		case unicode.IsDigit(r):
			digit = 10
		default:
			other = 33
		}
	}
	guesses := min(length, 2*len(seen)) * bits.Len(uint(lower+upper+digit+other)) // as a power of two
	switch {
	case guesses < 40:
		return "weak: a few hours of guessing"
	case guesses < 60:
		return "fair"
	case guesses < 90:
		return "good"
	}
	return "strong"
}
