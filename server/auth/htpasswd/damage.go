package htpasswd

import (
	"fmt"

	"packhouse/finding"
)

// DamageError reports why a file must not replace the users of a running server: it has unusable
// lines that the file in use does not have.
type DamageError struct {
	Problems []finding.Finding // at least one, in the order of the lines
}

// Error returns the first problem and the number of further ones. It never contains a hash or a
// password.
func (e *DamageError) Error() string {
	first := InLine(e.Problems[0])
	if more := len(e.Problems) - 1; more > 0 {
		return fmt.Sprintf("%s; %d more lines cannot be used", first, more)
	}
	return first
}

// Damage returns a *DamageError if f has unusable lines that previous, the file in use, does not
// have: f may be truncated, corrupt, or use a foreign hash format. Unusable lines that previous has
// too affect no further user, so they do not prevent loading f. problems must be those that Parse
// returned for f. If previous is nil, as at startup, every file is accepted. Damage returns nil for
// an empty file.
func (f *File) Damage(previous *File, problems []finding.Finding) error {
	if previous == nil {
		return nil
	}
	known := make(map[string]bool, len(previous.lines))
	for _, l := range previous.lines {
		known[l.text] = true
	}
	var found []finding.Finding
	for _, p := range problems {
		if p.Severity != finding.Warning && !known[f.lines[p.Line-1].text] {
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
