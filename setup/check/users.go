package check

import (
	"errors"
	"fmt"
	"strings"

	"packhouse/printable"
	"packhouse/server/auth/htpasswd"
	"packhouse/trust"
)

// Codes of findings about the running server.
const (
	CodeUsersStale  = "users-not-loaded"       // the server has loaded other users than its htpasswd file contains
	CodePlaceholder = "password-placeholder"   // a password is a placeholder from documentation
	CodeSocket      = "admin-socket-untrusted" // its admin socket belongs to another user
)

// largestUsers is the maximum number of bytes read from the htpasswd file.
const largestUsers = 8 << 20

// proveLocalUsers verifies the users of the htpasswd file: known passwords sign in, and no password
// is a placeholder.
func (s *session) proveLocalUsers() Result {
	if s.Config == nil {
		return notProven("without a configuration the htpasswd file is unknown")
	}
	path := s.Config.Auth.Htpasswd.Path
	data, err := trust.ReadConfigured(path, largestUsers)
	if err != nil {
		return notProven("%v", err)
	}
	file, _ := htpasswd.Parse(data)
	return s.provePlaceholders(s.proveLogins(path, file), path, file)
}

// proveLogins verifies that known passwords sign in, without sending one: each password matches its
// hash in the htpasswd file, and the running server has loaded exactly that file. Another program
// on the server's port therefore learns nothing.
func (s *session) proveLogins(path string, file *htpasswd.File) Result {
	var matching, unknown []string
	for _, u := range s.Users {
		if u.Password == nil {
			unknown = append(unknown, u.Name)
			continue
		}
		s.doing("comparing the password of " + u.Name)
		hash, _ := file.Lookup(u.Name)
		switch err := htpasswd.Verify(hash, u.Password()); {
		case errors.Is(err, htpasswd.ErrMismatch) || len(hash) == 0:
			return s.passwordDiffers(u, path)
		case err != nil:
			return failed("user-refused", u.Name, err.Error(), "run packhouse user passwd "+printable.Shell(u.Name))
		}
		matching = append(matching, u.Name)
	}
	switch {
	case len(matching) == 0:
		return notProven("no password is known here: %s", strings.Join(unknown, ", "))
	case s.UsersDigest == "":
		return notProven("the users in effect are unknown because no running server reports them")
	case s.UsersDigest != file.Digest():
		return failed(CodeUsersStale, "the server uses other users than "+path,
			"it has not loaded the file since it changed, or it refused the file", "run packhouse reload, which reports why if the server refuses the file")
	case len(unknown) > 0:
		return passed("%s can log in; not proven, no password known: %s", strings.Join(matching, ", "), strings.Join(unknown, ", "))
	}
	return passed("%s can log in", strings.Join(matching, ", "))
}

// passwordDiffers reports a known password that is not the one in the htpasswd file.
func (s *session) passwordDiffers(u User, path string) Result {
	if u.Initial {
		return warning("initial-passwords", u.Name, fmt.Sprintf("the password of %s in initial-passwords is not the one in %s", u.Name, path),
			fmt.Sprintf("if it was changed since, run %s; otherwise run packhouse user passwd %s",
				s.Server.Root("sed -i "+printable.Shell("/^"+u.Name+":/d")+" "+printable.Shell(s.Passwords)), printable.Shell(u.Name)))
	}
	return failed("user-refused", u.Name, fmt.Sprintf("%s has another password in %s", u.Name, path), "run packhouse user passwd "+printable.Shell(u.Name))
}
