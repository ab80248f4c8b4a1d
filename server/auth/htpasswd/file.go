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

// File is a parsed htpasswd file. It is a plain value: it may be read by many at once, but not while it is edited.
type File struct {
	mark  string         // the byte order mark, where the file has one
	lines []line         // all of it, in order
	users map[string]int // name → index of the line that counts
}

// line is one line of the file, to the byte.
type line struct {
	before string // spaces in front
	text   string // comment, entry or anything else, without spaces around it
	after  string // spaces behind, and the line end
	user   string // of an entry, usable or not; empty otherwise
	hash   string // of a usable entry; empty otherwise
}

func (l line) String() string { return l.before + l.text + l.after }

// Users returns the names of all users who can log in, in the order of the file.
func (f *File) Users() []string {
	names := make([]string, 0, len(f.users))
	for i, l := range f.lines {
		if at, ok := f.users[l.user]; ok && at == i {
			names = append(names, l.user)
		}
	}
	return names
}

// Lookup returns the hash of a user. The slice is the caller's.
func (f *File) Lookup(user string) (hash []byte, ok bool) {
	i, ok := f.users[user]
	if !ok {
		return nil, false
	}
	return []byte(f.lines[i].hash), true
}

// MaxCost is the highest bcrypt cost of any user, DefaultCost where there is none: what a comparison for an unknown user has to cost, so
// that the time of an answer does not tell who exists.
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

// Set gives a user a hash: in place where the user has a line, also one that could not be used, else on a new line at the end. Further lines
// of the same user go, so that no other program finds an old password there. A name that ValidateName refuses or a hash that is not bcrypt
// changes nothing; the errors are those of ValidateName and ErrNotBcrypt.
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

// Remove takes every line of a user out of the file, also those that could not be used, and reports whether there was one.
func (f *File) Remove(user string) bool {
	if user == "" {
		return false
	}
	before := len(f.lines)
	f.lines = slices.DeleteFunc(f.lines, func(l line) bool { return l.user == user })
	f.index()
	return len(f.lines) < before
}

// Bytes is the file as it is to be written. Unedited it is what was parsed, to the byte.
func (f *File) Bytes() []byte {
	var b bytes.Buffer
	b.WriteString(f.mark)
	for _, l := range f.lines {
		b.WriteString(l.String())
	}
	return b.Bytes()
}

// append puts an entry at the end, with the line end that the file uses, and closes a last line that lacks its own.
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

// index finds the line that counts for each user: the last usable one.
func (f *File) index() {
	f.users = make(map[string]int)
	for i, l := range f.lines {
		if l.hash != "" {
			f.users[l.user] = i
		}
	}
}
