package installation

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"time"

	"packhouse/server/auth/htpasswd"
)

// BackupTime is the time format of backup names.
const BackupTime = "20060102T150405Z"

func isBackup(name string) bool {
	_, err := time.Parse(BackupTime, name)
	return err == nil
}

// Backups returns the names of all backups, oldest first.
func Backups(dir string) []string {
	entries, err := os.ReadDir(filepath.Join(dir, BackupDir))
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && isBackup(e.Name()) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names
}

// lastBackup returns the time of the backup that a rollback would restore, or zero without one.
func lastBackup(dir string) time.Time {
	names := Backups(dir)
	if len(names) == 0 {
		return time.Time{}
	}
	at, _ := time.Parse(BackupTime, names[len(names)-1])
	return at
}

// nothingBefore reports whether a rollback removes the installation, because the last setup was the
// first one.
func nothingBefore(dir string) bool {
	names := Backups(dir)
	if len(names) == 0 {
		return false
	}
	record, err := ReadJournal(RootsOf(dir), filepath.Join(dir, BackupDir, names[len(names)-1], RecordFile))
	return err == nil && slices.ContainsFunc(record.Steps,
		func(s Step) bool { return s.Path == filepath.Join(dir, ConfigFile) && !s.Existed })
}

// UsersBack describes how a rollback changes the users.
func UsersBack(today, then []byte) []string {
	now, _ := htpasswd.Parse(today) // invalid lines are reported elsewhere
	was, _ := htpasswd.Parse(then)
	var meaning []string
	for _, name := range now.Users() {
		hash, _ := now.Lookup(name)
		switch old, ok := was.Lookup(name); {
		case !ok:
			meaning = append(meaning, "user "+name+" goes")
		case !bytes.Equal(hash, old):
			meaning = append(meaning, "user "+name+": the previous password")
		}
	}
	for _, name := range was.Users() {
		if _, ok := now.Lookup(name); !ok {
			meaning = append(meaning, "user "+name+" comes back")
		}
	}
	return meaning
}

// FilesFile is the file of a backup that contains all managed files as the backup's change left
// them. It gives a repair a good copy even of files that the change did not touch.
const FilesFile = "files.json"

// ManagedFile is one file in filesFile.
type ManagedFile struct {
	Path    string `json:"path"`    // as in journals
	Content []byte `json:"content"` // base64
}
