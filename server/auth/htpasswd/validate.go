package htpasswd

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxNameBytes is the longest name that Apache's htpasswd accepts.
const MaxNameBytes = 255

// ValidateName returns why a user name cannot be stored in the file or sent by HTTP Basic
// authentication (RFC 7617, section 2).
func ValidateName(name string) error {
	switch {
	case name == "":
		return errors.New("user name is empty")
	case len(name) > MaxNameBytes:
		return fmt.Errorf("user name is %d bytes long, %d are allowed", len(name), MaxNameBytes)
	case !utf8.ValidString(name):
		return errors.New("user name is not UTF-8")
	case strings.Contains(name, ":"):
		return errors.New("user name holds a colon, which separates it from the password")
	case name[0] == '#':
		return errors.New("user name begins with #, which makes the line a comment")
	case strings.TrimSpace(name) != name:
		return errors.New("user name begins or ends with a space")
	}
	if r, found := unseen(name); found {
		return fmt.Errorf("user name holds the invisible character %U", r)
	}
	return nil
}

// ValidateNewName returns why a user must not be added with a name. It is stricter than
// [ValidateName], so that users in existing files keep their names.
func ValidateNewName(name string) error {
	switch err := ValidateName(name); {
	case err != nil:
		return err
	case strings.Contains(name, "*"):
		return errors.New("user name holds a *, which means every user in the rules of the configuration")
	case strings.ContainsAny(name, `/\`):
		return errors.New("user name holds a slash, which looks like a path")
	case name == ".", name == "..":
		return errors.New("user name is the name of a directory")
	}
	return nil
}

// placeholders are passwords from documentation and scanners' word lists, in lower case.
var placeholders = [...]string{
	"111111", "12345", "123456", "1234567", "12345678", "123456789", "1234567890", "abc123", "admin", "admin123", "admin1234", "administrator",
	"change-me", "change_me", "changeit", "changeme", "changeme123", "default", "demo", "docker", "example", "guest", "harbor12345", "htpasswd",
	"letmein", "mypass", "mypassword", "p@ssw0rd", "p@ssword", "pack", "packhouse", "palette", "pass", "passw0rd", "passwd", "password", "password1",
	"password123", "qwerty", "qwerty123", "registry", "root", "s3cr3t", "secret", "spectro", "spectro123", "spectrocloud", "supersecret", "test", "test123",
	"testpassword", "testuser", "toor", "user", "welcome", "welcome1", "xxxxxxxx", "xxxxxxxxxx",
	"sampleaccesskey", "samplesecretkey", "accesskey", "secretkey", "mysecretpassword", "passwordhere",
}

// minPassword is the minimum number of characters of a new password (NIST SP 800-63B, section 5.1.1).
const minPassword = 8

// ValidatePassword returns an error if a new password is empty, shorter than 8 characters, longer
// than 72 bytes (ErrPasswordTooLong), equal to the user name, known from documentation, or contains invisible
// characters. The error never contains the password.
func ValidatePassword(name string, password []byte) error {
	switch {
	case len(password) == 0:
		return errors.New("password is empty")
	case len(password) > MaxPasswordBytes:
		return fmt.Errorf("%w: it has %d (letters outside ASCII count as two to four)", ErrPasswordTooLong, len(password))
	case !utf8.Valid(password):
		return errors.New("password is not UTF-8")
	case strings.EqualFold(string(password), name):
		return errors.New("password is the user's own name")
	case IsPlaceholder(string(password)):
		return errors.New("password is known from documentation and among the first that attackers try")
	}
	if r, found := unseen(string(password)); found {
		return fmt.Errorf("password holds the invisible character %U, perhaps from pasting", r)
	}
	if n := utf8.RuneCount(password); n < minPassword {
		return fmt.Errorf("password is too short: it needs at least %d characters", minPassword)
	}
	return nil
}

// IsPlaceholder reports whether a password is well known or a documentation placeholder
// ([IsBlank]).
func IsPlaceholder(password string) bool {
	lower := strings.ToLower(password)
	if slices.Contains(placeholders[:], lower) {
		return true
	}
	return IsBlank(password)
}

// IsBlank reports whether a text is a placeholder that documentation leaves for the reader to fill
// in: bracketed, such as "{enter your secure password choice}" or "<password>", a spelling of
// "yourPasswordHere", or a sample such as "SAMPLEACCESSKEY".
func IsBlank(text string) bool {
	lower := strings.ToLower(text)
	if slices.Contains([]string{"sampleaccesskey", "samplesecretkey", "accesskey", "secretkey", "passwordhere"}, lower) {
		return true
	}
	for _, bracket := range []string{"{}", "<>", "[]"} {
		inner, ok := strings.CutPrefix(strings.TrimPrefix(lower, "$"), bracket[:1])
		if inner, closed := strings.CutSuffix(inner, bracket[1:]); ok && closed && fillIn(inner) {
			return true
		}
	}
	word := strings.NewReplacer("-", "", "_", "", " ", "", ".", "").Replace(lower)
	for _, prefix := range []string{"your", "my", "enteryour", "insertyour", "enter", "insert"} {
		rest, ok := strings.CutPrefix(word, prefix)
		rest = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(rest, "secure"), "secret"), "here")
		if ok && slices.Contains([]string{"password", "passwd", "passphrase", "pass", "secret", "key", "token", "accesskey", "secretkey"}, rest) {
			return true
		}
	}
	return false
}

// fillIn reports whether the text between brackets consists of words, as in documentation
// placeholders.
func fillIn(s string) bool {
	letters := 0
	for _, r := range s {
		switch {
		case unicode.IsLetter(r):
			letters++
		case r != ' ' && r != '-' && r != '_' && r != '.':
			return false
		}
	}
	return letters >= 3
}

// unseen returns the first invisible character or one that changes how others appear: control, bidi
// and zero-width characters.
func unseen(s string) (rune, bool) {
	for _, r := range s {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			return r, true
		}
	}
	return 0, false
}
