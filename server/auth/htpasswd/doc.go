// Package htpasswd reads, edits and writes the file in which a registry keeps its users: one "name:hash" a line, "#" begins a comment.
//
// Only bcrypt is accepted ($2a$, $2b$, $2y$), as by CNCF distribution; the other kinds that Apache's htpasswd writes are named in a
// [Problem] with their line. A line that cannot be used costs its own user and nobody else. Where a name stands twice the last usable line
// counts, as it does for distribution.
//
// # Editing
//
//	file, problems := htpasswd.Parse(data)
//	hash, err := htpasswd.HashCost(password, htpasswd.DefaultCost)
//	err = file.Set("ci-bot", string(hash))
//	data = file.Bytes()
//
// [File.Bytes] keeps comments, blank lines, lines it does not understand, line ends and order to the byte; only the lines of users that
// were set or removed change.
//
// # Passwords
//
// bcrypt sees the first 72 bytes of a password. [HashCost] and [Verify] both refuse longer ones, so that no tail is ignored in silence.
// [ValidatePassword] refuses what every scanner tries first, [GeneratePassword] makes one that nobody has to think up. No error and no
// problem holds a password or a hash.
package htpasswd
