package installation

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"packhouse/setup"
)

// PasswordsHead is the first line of initial-passwords.
const PasswordsHead = "# Passwords that setup generated, NAME:PASSWORD. Hand them out, then delete this file.\n"

// readPasswords returns the content of initial-passwords in dir, or nil if the file does not exist.
func readPasswords(dir string) ([]byte, error) {
	data, err := (Places{}).Policy().ReadFile(filepath.Join(dir, PasswordsFile), LargestFile)
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
func InitialPasswords(dir string) map[string]setup.Secret {
	data, err := readPasswords(dir)
	if err != nil {
		return nil
	}
	return PasswordsIn(data)
}

// PasswordsIn parses the lines of initial-passwords.
func PasswordsIn(data []byte) map[string]setup.Secret {
	passwords := map[string]setup.Secret{}
	for line := range strings.Lines(string(data)) {
		if user, password, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok && !strings.HasPrefix(line, "#") {
			passwords[user] = setup.Secret(password)
		}
	}
	return passwords
}
