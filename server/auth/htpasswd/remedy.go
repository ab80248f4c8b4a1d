package htpasswd

import (
	"fmt"

	"packhouse/printable"
)

// remedies composes what to do about the lines of a file.
type remedies struct{ path string }

// removeLine returns how to remove a line.
func (r remedies) removeLine(number int) string {
	return fmt.Sprintf("run sed -i %dd %s", number, printable.Shell(r.path))
}

// removeMark returns how to remove the byte order mark.
func (r remedies) removeMark() string {
	return `run sed -i '1s/^\xef\xbb\xbf//' ` + printable.Shell(r.path)
}

// decode returns how to convert a file in UTF-16 in place, which keeps its owner and its mode.
func (r remedies) decode() string {
	path, converted := printable.Shell(r.path), printable.Shell(r.path+".utf8")
	return fmt.Sprintf("run (umask 077 && iconv -f UTF-16 -t UTF-8 %s > %s && cat %s > %s && rm %s)",
		path, converted, converted, path, converted)
}

// setPassword returns how to give a user a usable hash.
func (r remedies) setPassword(user string) string {
	name := printable.Shell(user)
	return fmt.Sprintf("run packhouse user add %s, or htpasswd -B %s %s", name, printable.Shell(r.path), name)
}

// addUser returns how to add a user.
func (r remedies) addUser() string { return "run packhouse user add NAME" }
