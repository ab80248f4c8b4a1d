package htpasswd

import "fmt"

// DamageError reports why a file must not replace the users of a running server: it has lines that
// cannot be used, and the file in use does not have them.
type DamageError struct {
	Problems []Problem // at least one, in the order of the lines
}

// Error returns the first problem and the number of further ones. It never holds a hash or a password.
func (e *DamageError) Error() string {
	first := e.Problems[0].String()
	if more := len(e.Problems) - 1; more > 0 {
		return fmt.Sprintf("%s; %d more lines cannot be used", first, more)
	}
	return first
}

// Damage returns a *DamageError if f has lines that cannot be used and that previous, the file in
// use, does not have: a file that was cut short while it was written, holds garbage, or was written
// with a foreign kind of hash. Lines that previous has too are known and harm no further user, so
// they do not keep f from being loaded. Problems are those that Parse returned for f. A nil previous
// accepts every file, because a server that starts has no users to keep. Damage returns nil for an
// empty file.
func (f *File) Damage(previous *File, problems []Problem) error {
	if previous == nil {
		return nil
	}
	known := make(map[string]bool, len(previous.lines))
	for _, l := range previous.lines {
		known[l.text] = true
	}
	var found []Problem
	for _, p := range problems {
		if !p.Warning && !known[f.lines[p.Line-1].text] {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		return nil
	}
	return &DamageError{found}
}

// Removes reports whether previous has a user that f does not have.
func (f *File) Removes(previous *File) bool {
	if previous == nil {
		return false
	}
	for name := range previous.users {
		if _, ok := f.users[name]; !ok {
			return true
		}
	}
	return false
}

// Empty reports whether the file holds nothing but comments and blank lines.
func (f *File) Empty() bool {
	for _, l := range f.lines {
		if l.text != "" && l.text[0] != '#' {
			return false
		}
	}
	return true
}
