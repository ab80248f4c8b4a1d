package installation

import (
	"path/filepath"
	"strings"

	"packhouse/setup"
)

// PasswordsHead is the first line of initial-passwords.
const PasswordsHead = "# Passwords that setup generated, NAME:PASSWORD. Hand them out, then delete this file.\n"

// InitialPasswords returns the passwords that initial-passwords still contains, by user. It returns
// none if the file does not exist or cannot be read.
func InitialPasswords(dir string) map[string]setup.Secret {
	data, err := (Places{}).Policy().ReadFile(filepath.Join(dir, PasswordsFile), LargestFile)
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
