package plan

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"packhouse/setup/installation"
	"packhouse/trust"
)

// KeepPasswords writes the generated passwords of an applied plan to initial-passwords, readable
// only by its owner, and returns the path. It is called when the user leaves without viewing them.
func (p *Plan) KeepPasswords() (string, error) {
	path := filepath.Join(p.Dir, installation.PasswordsFile)
	if err := installation.VerifyTrust(p.Dir); err != nil {
		return "", err
	}
	var file *os.File
	err := installation.Places{}.Within(path, func(dir *trust.Dir, base string) (err error) {
		file, err = dir.Open(base, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("keep generated passwords: %w", installation.AsFinding(err))
	}
	var text strings.Builder
	if info, err := file.Stat(); err == nil && info.Size() == 0 {
		text.WriteString(installation.PasswordsHead)
	}
	for _, generated := range p.Passwords {
		fmt.Fprintf(&text, "%s:%s\n", generated.User, generated.Password.Reveal())
	}
	_, err = file.WriteString(text.String())
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return "", fmt.Errorf("keep generated passwords: %w", err)
	}
	return path, nil
}
