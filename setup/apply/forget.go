package apply

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"packhouse/setup/installation"
)

// Forget removes the backups, and the installation directory if it is otherwise empty. Call it
// after [plan.Uninstall] was applied: it cannot be rolled back. It returns what is left in the
// directory.
//
// It acquires the lock unless l is held.
func Forget(dir string, l *Lock) (left []string, err error) {
	err = l.hold(dir, func() error {
		left, err = forget(dir)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return left, err
}

func forget(dir string) (left []string, err error) {
	for _, name := range installation.Backups(dir) {
		if err := (installation.Places{}).RemoveAll(filepath.Join(dir, installation.BackupDir, name)); err != nil {
			return nil, fmt.Errorf("remove backup: %w", err)
		}
	}
	_ = (installation.Places{}).Remove(filepath.Join(dir, installation.BackupDir)) // fails if it is not empty
	// Check first: removing a link to a directory always succeeds.
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("look at what is left: %w", err)
	}
	if len(entries) == 0 && (installation.Places{}).Remove(dir) == nil {
		return nil, nil
	}
	for _, entry := range entries {
		left = append(left, filepath.Join(dir, entry.Name()))
	}
	return left, nil
}
