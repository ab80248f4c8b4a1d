package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"packhouse/trust"
)

// passwordsHead is the first line of initial-passwords.
const passwordsHead = "# Passwords that setup generated, NAME:PASSWORD. Hand them out, then delete this file.\n"

// KeepPasswords writes the generated passwords of a plan that was applied to initial-passwords, readable by its owner only: for when somebody
// was there to be shown them and left without looking, and nothing else keeps them. It returns the path.
func (p *Plan) KeepPasswords() (string, error) {
	path := filepath.Join(p.Dir, PasswordsFile)
	if err := VerifyTrust(p.Dir); err != nil {
		return "", err
	}
	var file *os.File
	err := places{}.within(path, func(dir *trust.Dir, base string) (err error) {
		file, err = dir.Open(base, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("keep generated passwords: %w", refuseUnsafe(err))
	}
	var text strings.Builder
	if info, err := file.Stat(); err == nil && info.Size() == 0 {
		text.WriteString(passwordsHead)
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

// readPasswords reads initial-passwords below dir; nil where it is not there.
func readPasswords(dir string) ([]byte, error) {
	data, err := (places{}).policy().ReadFile(filepath.Join(dir, PasswordsFile), largestFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read initial passwords: %w", err)
	}
	return data, nil
}

// InitialPasswords returns the generated passwords that still lie in an installation, by user. Where the file is gone or may not be read there
// are none.
func InitialPasswords(dir string) map[string]Secret {
	data, err := readPasswords(dir)
	if err != nil {
		return nil
	}
	return passwordsIn(data)
}

// passwordsIn reads the lines of initial-passwords.
func passwordsIn(data []byte) map[string]Secret {
	passwords := map[string]Secret{}
	for line := range strings.Lines(string(data)) {
		if user, password, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok && !strings.HasPrefix(line, "#") {
			passwords[user] = Secret(password)
		}
	}
	return passwords
}
