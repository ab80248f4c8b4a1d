//go:build !unix

package cli

import "os"

// remedies are for errors of the operating system.
var remedies = [...]struct {
	err    error
	remedy string
}{
	{os.ErrPermission, "run the command as the owner of the file, or as an administrator"},
	{os.ErrNotExist, "correct the path"},
	{os.ErrExist, "choose another path, or move the existing file away"},
}
