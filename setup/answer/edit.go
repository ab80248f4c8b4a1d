package answer

import (
	"cmp"
	"slices"

	"packhouse/setup"
	"packhouse/setup/question"
)

// Edit is a change to the answers by a command such as "user add". It applies after the answers of
// all sources, and is validated with them.
type Edit func(a *question.Answers)

// PutUser adds a user, or changes an existing one. An empty role is [setup.Reader] for a new user;
// an existing user keeps the role. Without a password, setup generates one for a new user; an
// existing user keeps the password.
func PutUser(name string, role setup.Role, password setup.Secret) Edit {
	return func(a *question.Answers) {
		u := a.User(name)
		if u == nil {
			a.Users = append(a.Users, setup.User{Name: name, Role: cmp.Or(role, setup.Reader)})
			u = &a.Users[len(a.Users)-1]
		}
		u.Role = cmp.Or(role, u.Role)
		if password != "" {
			u.Password, u.Source = password, setup.Typed
		}
	}
}

// RemoveUser removes a user.
func RemoveUser(name string) Edit {
	return func(a *question.Answers) {
		a.RemoveUsers = append(a.RemoveUsers, name)
		a.Users = slices.DeleteFunc(a.Users, func(u setup.User) bool { return u.Name == name })
	}
}

// Rotation is what [Rotate] replaces besides the certificate.
type Rotation struct {
	NewKey    bool // the private key
	NewCA     bool // the private CA, which clients must trust
	DropOldCA bool // the bundle of both CAs: clients no longer get the old one
}

// Rotate issues a new certificate.
func Rotate(r Rotation) Edit {
	return func(a *question.Answers) {
		a.RotateCert, a.NewKey, a.NewCA, a.DropOldCA = true, r.NewKey, r.NewCA, r.DropOldCA
	}
}
