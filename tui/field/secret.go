package field

import (
	"crypto/rand"
	"fmt"
	"math/big"
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
	bits := min(length, 2*len(seen)) * new(big.Int).SetInt64(int64(lower+upper+digit+other)).BitLen()
	switch {
	case bits < 40:
		return "weak: a few hours of guessing"
	case bits < 60:
		return "fair"
	case bits < 90:
		return "good"
	}
	return "strong"
}

// alphabet leaves out what is mistaken for something else on paper: 0 O, 1 l I.
const alphabet = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"

// Generate makes a password of 24 characters, 139 bits. It needs no quoting in a shell, a URL or YAML.
func Generate() (string, error) {
	out := make([]byte, 24)
	for i := range out {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
		if err != nil {
			return "", fmt.Errorf("read randomness: %w", err)
		}
		out[i] = alphabet[n.Int64()]
	}
	return string(out), nil
}
