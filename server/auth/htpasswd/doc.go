// Package htpasswd reads, edits and writes htpasswd files, which hold the users of a registry: one
// "name:hash" per line; "#" begins a comment.
//
// Like CNCF distribution, it accepts only bcrypt ($2a$, $2b$, $2y$). A finding reports the line
// of any other hash that Apache's htpasswd writes. An unusable line affects only its own user. If a
// name occurs twice, the last usable line counts, as in distribution.
//
// # Editing
//
//	file, problems := htpasswd.Parse(data)
//	hash, err := htpasswd.HashCost(password, htpasswd.DefaultCost)
//	err = file.Set("ci-bot", string(hash))
//	data = file.Bytes()
//
// [File.Bytes] preserves comments, blank lines, unrecognized lines, line endings and order byte for
// byte; only the lines of users that were set or removed change.
//
// # Passwords
//
// bcrypt uses only the first 72 bytes of a password. [HashCost] and [Verify] both reject longer
// ones, so that no part is silently ignored. [ValidatePassword] rejects the passwords that scanners
// try first. [GeneratePassword] generates a random one. Errors and problems never contain a
// password or a hash.
package htpasswd
