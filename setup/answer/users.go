package answer

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"packhouse/setup"
	"packhouse/setup/question"
)

// users resolves the list of users: existing users and the administrator, plus those added or
// changed, minus those removed.
func (r *resolver) users() {
	a := &r.answers
	a.Users = slices.Clone(r.installed.Users)
	r.origins["users"] = FromDefault
	if len(a.Users) > 0 {
		r.origins["users"] = FromInstallation
	}
	put := func(name string, role setup.Role, origin Origin) {
		r.origins["users"] = origin
		if u := a.User(name); u != nil {
			u.Role = setup.Role(cmp.Or(string(role), string(u.Role)))
			return
		}
		a.Users = append(a.Users, setup.User{Name: name, Role: setup.Role(cmp.Or(string(role), string(setup.Reader)))})
	}
	admin, origin, named := r.given("admin")
	if named {
		put(admin, setup.Admin, origin)
		a.User(admin).Flag = "--admin"
	}
	asked, origin := r.all("user")
	var names []string
	for _, text := range asked {
		name, role, err := question.ParseUser(text)
		if err != nil {
			r.refuse("users", "--user", setup.CodeUser, err.Error(), "write it as NAME:reader, NAME:writer or NAME:admin")
			continue
		}
		names = append(names, name)
		put(name, role, origin)
	}
	if !named && len(r.installed.Users) == 0 && a.User(string(setup.Admin)) == nil {
		a.Users = slices.Insert(a.Users, 0, setup.User{Name: string(setup.Admin), Role: setup.Admin})
	}
	gone, origin := r.all("remove-user")
	for _, name := range gone {
		r.origins["users"] = origin
		if slices.Contains(names, name) || (named && name == admin) {
			r.refuse("users", "--remove-user", setup.CodeConflict,
				fmt.Sprintf("user %q is to be added and to be taken away", name), "leave out one of --user and --remove-user")
			continue
		}
		a.RemoveUsers = append(a.RemoveUsers, name)
		a.Users = slices.DeleteFunc(a.Users, func(u setup.User) bool { return u.Name == name })
	}
}

// passwords sets the users' passwords, in ascending order of precedence.
func (r *resolver) passwords(variables map[string]setup.Secret) {
	if r.input.File != nil {
		r.passwordFiles(r.input.File.Values["password-file"])
	}
	r.passwordVariables(variables)
	if r.input.PasswordLines != nil {
		r.passwordLines(r.input.PasswordLines)
	}
	r.passwordFiles(r.input.Flags["password-file"])
}

func (r *resolver) password(user, flag string, password setup.Secret, source string) {
	u := r.answers.User(user)
	if u == nil {
		r.refuse("users", flag, setup.CodeNobody, fmt.Sprintf("there is a password for %q, and no such user",
			setup.Clip(user)), "add the user with --user, or leave the password out")
		return
	}
	u.Password, u.Source = password, source
}

func (r *resolver) passwordFiles(entries []string) {
	for _, entry := range entries {
		// Do not print the entry: it may contain a password.
		user, path, ok := strings.Cut(entry, "=")
		if !ok || user == "" || path == "" {
			r.refuse("users", "--password-file", setup.CodeValue, "an entry is not NAME=FILE",
				"write it as --password-file admin=/path/to/file")
			continue
		}
		data, err := r.read(path)
		if err != nil {
			what := "the file with a password cannot be read: " + err.Error()
			r.refuse("users", "--password-file", setup.CodeUnread, what, setup.FixUnread(err))
			continue
		}
		r.password(user, "--password-file", setup.Secret(strings.TrimRight(string(data), "\r\n")), setup.FromFile)
	}
}

func (r *resolver) passwordVariables(variables map[string]setup.Secret) {
	sharers := map[string][]string{}
	for _, u := range r.answers.Users {
		v := PasswordVariable(u.Name)
		sharers[v] = append(sharers[v], u.Name)
	}
	for _, v := range slices.Sorted(maps.Keys(variables)) {
		users := sharers[v]
		switch {
		case len(users) == 0:
			r.report(setup.Warn(setup.CodeNobody, v+" belongs to none of the users",
				"check the name: ci-bot has "+PasswordVariable("ci-bot")), "users", "")
		case len(users) > 1:
			r.refuse("users", "--password-file", setup.CodeShared, fmt.Sprintf("users %s would share the variable %s",
				strings.Join(users, " and "), v), "give their passwords in files, with --password-file")
		default:
			r.password(users[0], v, variables[v], setup.FromEnv)
		}
	}
}

// maxPasswordLines limits the bytes read from standard input.
const maxPasswordLines = 1 << 20

func (r *resolver) passwordLines(from io.Reader) {
	const flag = "--password-stdin"
	scanner := bufio.NewScanner(io.LimitReader(from, maxPasswordLines))
	empty := true
	for number := 1; scanner.Scan(); number++ {
		line := strings.TrimSuffix(scanner.Text(), "\r")
		if line == "" {
			continue
		}
		empty = false
		user, password, ok := strings.Cut(line, ":")
		if !ok {
			r.refuse("users", flag, setup.CodeValue, fmt.Sprintf("line %d of standard input is not NAME:PASSWORD", number),
				"write one NAME:PASSWORD a line")
			continue
		}
		r.password(user, flag, setup.Secret(password), setup.FromStdin)
	}
	switch err := scanner.Err(); {
	case err != nil:
		r.refuse("users", flag, setup.CodeValue, "standard input cannot be read: "+err.Error(),
			"write one NAME:PASSWORD a line")
	case empty: // the writing end probably failed; generating passwords would hide that
		r.refuse("users", flag, setup.CodeValue, "standard input holds no password",
			"write one NAME:PASSWORD a line, or leave the flag out to have passwords generated")
	}
}
