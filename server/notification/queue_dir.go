package notification

import (
	"fmt"
	"os"
	"path"
	"path/filepath"

	"packhouse/trust"
)

// queueDir is the directory of a queue. Another user may own the store, so no link below the root of the store is followed.
type queueDir struct {
	root *trust.Dir // of the store
	name string     // below root
}

// openQueues opens the root directory of the queues, and creates it if it does not exist.
func openQueues(root string) (*trust.Dir, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("open queues of notifications: %w", err)
	}
	dir, err := trust.OpenRoot(root)
	if err != nil {
		return nil, fmt.Errorf("open queues of notifications: %w", err)
	}
	return dir, nil
}

// path returns the path of the directory, for messages.
func (f queueDir) path() string { return filepath.Join(f.root.Path(), filepath.FromSlash(f.name)) }

// within calls do with the open directory, which it creates if necessary. The error includes a remedy if the directory or a
// file in it is a link or another special file.
func (f queueDir) within(do func(*trust.Dir) error) error {
	dir, err := f.root.Make(f.name, 0o700)
	if err == nil {
		defer dir.Close()
		err = do(dir)
	}
	if fault := trust.Unsafe(err); fault != nil {
		return fmt.Errorf("%w; %s", err, fault.Fix)
	}
	return err
}

// remove removes the directory if it is empty.
func (f queueDir) remove() {
	above := queueDir{f.root, path.Dir(f.name)}
	if above.name == "." {
		_ = f.root.Remove(f.name)
		return
	}
	_ = above.within(func(dir *trust.Dir) error { return dir.Remove(path.Base(f.name)) })
}
