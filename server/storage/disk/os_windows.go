package disk

import "errors"

// OpenOS is not supported: without syncing directories, the store cannot guarantee durability.
func OpenOS(string, bool) (Disk, error) {
	return nil, errors.New("a store on a file system needs Linux or another Unix")
}
