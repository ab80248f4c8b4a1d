package htpasswd

import (
	"bytes"
	"errors"
	"slices"
	"strings"
)

const bom = "\xef\xbb\xbf"

// ErrNotBcrypt is returned for a hash that is not bcrypt of a usable cost.
var ErrNotBcrypt = errors.New("hash is not bcrypt of a usable cost")

// File is a parsed htpasswd file. It is safe for concurrent reads, but not while it is edited.
type File struct {
	mark  string         // the byte order mark, if any
	lines []line         // all lines, in order
	users map[string]int // name → index of the line that counts
}

// line is one line of the file, byte for byte.
type line struct {
	before string // leading spaces
	text   string // comment, entry or anything else, without surrounding spaces
	after  string // trailing spaces and the line ending
	user   string // of an entry, usable or not; empty otherwise
	hash   string // of a usable entry; empty otherwise
}

func (l line) String() string { return l.before + l.text + l.after }

// Users returns the names of all users who can sign in, in file order.
func (f *File) Users() []string {
	names := make([]string, 0, len(f.users))
	for i, l := range f.lines {
		if at, ok := f.users[l.user]; ok && at == i {
			names = append(names, l.user)
		}
	}
	return names
}

// Lookup returns the hash of a user. The caller owns the slice.
func (f *File) Lookup(user string) (hash []byte, ok bool) {
	i, ok := f.users[user]
	if !ok {
		return nil, false
	}
	return []byte(f.lines[i].hash), true
}

// CostsOutside returns the users whose hash has a bcrypt cost below lowest, and those whose cost is
// above highest, in file order.
func (f *File) CostsOutside(lowest, highest int) (below, above []string) {
	for _, name := range f.Users() {
		hash, _ := f.Lookup(name)
		switch cost, err := Cost(hash); {
		case err != nil:
		case cost < lowest:
			below = append(below, name)
		case cost > highest:
			above = append(above, name)
		}
	}
	return below, above
}

// MaxCost returns the highest bcrypt cost of any user, or DefaultCost if there are none.
// Comparisons for unknown users use this cost, so that response times do not reveal who exists.
func (f *File) MaxCost() int {
	highest := 0
	for _, i := range f.users {
		if cost, err := Cost([]byte(f.lines[i].hash)); err == nil {
			highest = max(highest, cost)
		}
	}
	if highest == 0 {
		return DefaultCost
	}
	return highest
}

// Set sets the hash of a user: on the user's line, even one that was unusable, or on a new line at
// the end. It removes further lines of the same user, so that no other program uses an old
// password. If ValidateName rejects the name, Set returns its error; if the hash is not bcrypt, it
// returns ErrNotBcrypt. In both cases nothing changes.
func (f *File) Set(user, hash string) error {
	if err := ValidateName(user); err != nil {
		return err
	}
	if _, err := Cost([]byte(hash)); err != nil {
		return err
	}
	at, ok := f.users[user]
	if !ok {
		at = slices.IndexFunc(f.lines, func(l line) bool { return l.user == user })
	}
	if at < 0 {
		f.append(line{text: user + ":" + hash, user: user, hash: hash})
	} else {
		l := &f.lines[at]
		l.text, l.hash = user+":"+hash, hash
		i := -1
		f.lines = slices.DeleteFunc(f.lines, func(l line) bool {
			i++
			return i != at && l.user == user
		})
	}
	f.index()
	return nil
}

// Remove deletes every line of a user, including unusable ones, and reports whether there were any.
func (f *File) Remove(user string) bool {
	if user == "" {
		return false
	}
	before := len(f.lines)
	f.lines = slices.DeleteFunc(f.lines, func(l line) bool { return l.user == user })
	f.index()
	return len(f.lines) < before
}

// Bytes returns the content to write. If nothing was edited, it is byte for byte what was parsed.
func (f *File) Bytes() []byte {
	var b bytes.Buffer
	b.WriteString(f.mark)
	for _, l := range f.lines {
		b.WriteString(l.String())
	}
	return b.Bytes()
}

// append adds an entry at the end, using the file's line ending. It terminates the previous line if
// necessary.
func (f *File) append(l line) {
	l.after = "\n"
	if slices.ContainsFunc(f.lines, func(l line) bool { return strings.HasSuffix(l.after, "\r\n") }) {
		l.after = "\r\n"
	}
	if n := len(f.lines); n > 0 {
		if last := &f.lines[n-1]; !strings.HasSuffix(last.after, "\n") {
			last.after += l.after
		}
	}
	f.lines = append(f.lines, l)
}

// index finds the line that counts for each user, the last usable one.
func (f *File) index() {
	f.users = make(map[string]int)
	for i, l := range f.lines {
		if l.hash != "" {
			f.users[l.user] = i
		}
	}
}
