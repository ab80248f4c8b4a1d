package field

import (
	"github.com/charmbracelet/bubbles/textinput"

	"packhouse/tui/theme"
)

// MaxSecretBytes is the maximum length of a password: bcrypt ignores further bytes.
const MaxSecretBytes = 72

// NewSecret returns a text field that never displays its text.
func NewSecret(t theme.Theme, label string, check func(value string) error) *Text {
	f := NewText(t, TextOptions{Label: label, MaxBytes: MaxSecretBytes, Check: check})
	f.secret = true
	f.input.EchoMode = textinput.EchoPassword
	f.input.EchoCharacter = '•'
	return f
}

// NewHidden returns a field for a secret of any length. While it is empty, it displays the text
// there.
func NewHidden(t theme.Theme, there string) *Text {
	f := NewSecret(t, "", nil)
	f.options.MaxBytes = maxBytes
	f.input.Placeholder = there
	return f
}
