package plan

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"packhouse/server/auth/htpasswd"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/spelling"
)

// users plans the htpasswd file. It keeps existing lines byte for byte and hashes only new
// passwords.
func (b *builder) users() error {
	path := b.installed.HtpasswdPath()
	before, err := b.read(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read users: %w", err)
	}
	file, problems := htpasswd.ParseFile(path, before)
	for _, p := range problems {
		f := setup.Warn(p.Code, fmt.Sprintf("%s, %s", installation.Rel(b.dir, path), htpasswd.InLine(p)), "")
		b.plan.Findings = append(b.plan.Findings, f.About("users", ""))
	}
	var meaning, roles []string
	changed := map[string]bool{}
	for _, name := range b.answers.RemoveUsers {
		if file.Remove(name) {
			meaning = append(meaning, fmt.Sprintf("user %s removed", name))
			changed[name] = true
		}
	}
	for _, u := range b.answers.Users {
		_, known := file.Lookup(u.Name)
		fresh, err := b.setPassword(file, u)
		if err != nil {
			return err
		}
		old := b.installed.User(u.Name)
		switch {
		case !known:
			meaning = append(meaning, fmt.Sprintf("user %s added as %s", u.Name, u.Role))
		case fresh:
			meaning = append(meaning, fmt.Sprintf("user %s: new password", u.Name))
		}
		if known && old != nil && old.Role != u.Role {
			roles = append(roles, fmt.Sprintf("user %s is %s, was %s", u.Name, u.Role, old.Role))
		}
		changed[u.Name] = changed[u.Name] || fresh
	}
	for _, old := range b.installed.Users { // removed from the list by hand, as in the wizard
		if b.answers.User(old.Name) == nil && file.Remove(old.Name) {
			meaning = append(meaning, fmt.Sprintf("user %s removed", old.Name))
			changed[old.Name] = true
		}
	}
	if c := b.plan.Change(installation.ConfigFile); c != nil { // the configuration stores the roles
		c.Meaning = append(c.Meaning, roles...)
	}
	if len(meaning) == 0 {
		meaning = []string{"unchanged: " + spelling.Count(len(b.answers.Users), "user")}
	}
	b.put(path, 0o600, file.Bytes(), true, meaning...)
	return b.passwords(changed)
}

// setPassword sets a user's hash if needed, and reports whether it did. A password that matches the
// existing hash keeps it, so that a second run changes nothing.
func (b *builder) setPassword(file *htpasswd.File, u setup.User) (bool, error) {
	hash, known := file.Lookup(u.Name)
	password := u.Password
	switch {
	case u.Source == setup.Kept || (u.Source == setup.Unspecified && known):
		if known {
			return false, nil
		}
	case password != "" && known && htpasswd.Verify(hash, []byte(password.Reveal())) == nil:
		return false, nil
	}
	if password == "" {
		generated, err := htpasswd.GeneratePassword(b.random)
		if err != nil {
			return false, err
		}
		password = setup.Secret(generated)
	}
	if u.Password == "" || u.Source == setup.Generated {
		b.plan.Passwords = append(b.plan.Passwords, Password{User: u.Name, Password: password})
	}
	fresh, err := htpasswd.HashCost([]byte(password.Reveal()), cmp.Or(b.options.HashCost, htpasswd.DefaultCost))
	if err != nil {
		return false, fmt.Errorf("hash password of %q: %w", u.Name, err)
	}
	if err := file.Set(u.Name, string(fresh)); err != nil {
		return false, fmt.Errorf("set password of %q: %w", u.Name, err)
	}
	return true, nil
}

// passwords plans initial-passwords: it adds generated passwords that cannot be displayed, and
// removes entries that are out of date.
func (b *builder) passwords(changed map[string]bool) error {
	path := b.path(installation.PasswordsFile)
	before, err := b.readings.ReadOwn(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read initial passwords: %w", err)
	}
	var out bytes.Buffer
	entries := 0
	for line := range strings.Lines(string(before)) {
		name, _, ok := strings.Cut(line, ":")
		if ok && !strings.HasPrefix(line, "#") {
			if changed[name] {
				continue
			}
			entries++
		}
		out.WriteString(line)
	}
	var added []string
	if b.options.WritePasswords {
		if out.Len() == 0 && len(b.plan.Passwords) > 0 {
			out.WriteString(installation.PasswordsHead)
		}
		for _, p := range b.plan.Passwords {
			fmt.Fprintf(&out, "%s:%s\n", p.User, p.Password.Reveal())
			added = append(added, p.User)
			entries++
		}
	}
	switch {
	case entries == 0 && before == nil:
	case entries == 0:
		b.remove(path, true, "no password in it is true any more")
	case len(added) > 0:
		b.put(path, 0o600, out.Bytes(), true,
			"generated passwords of "+strings.Join(added, ", ")+": hand them out, then delete the file")
	default:
		b.put(path, 0o600, out.Bytes(), true, "generated passwords that are not deleted yet")
	}
	return nil
}
