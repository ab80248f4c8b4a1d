package disk

import "errors"

// OpenOS is not offered here: without directories that can be synced no promise of the store could be kept.
func OpenOS(string, bool) (Disk, error) {
	return nil, errors.New("a store on a file system needs Linux or another Unix")
}
