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

// KeepPasswords writes the generated passwords of an applied plan to initial-passwords, readable
// only by its owner, and returns the path. It is called when the user leaves without viewing them.
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

// readPasswords returns the content of initial-passwords in dir, or nil if the file does not exist.
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

// InitialPasswords returns the passwords that initial-passwords still contains, by user. It returns
// none if the file does not exist or cannot be read.
func InitialPasswords(dir string) map[string]Secret {
	data, err := readPasswords(dir)
	if err != nil {
		return nil
	}
	return passwordsIn(data)
}

// passwordsIn parses the lines of initial-passwords.
func passwordsIn(data []byte) map[string]Secret {
	passwords := map[string]Secret{}
	for line := range strings.Lines(string(data)) {
		if user, password, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok && !strings.HasPrefix(line, "#") {
			passwords[user] = Secret(password)
		}
	}
	return passwords
}
