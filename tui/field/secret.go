package field

import (
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
